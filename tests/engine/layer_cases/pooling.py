"""Pooling over windows and over everything."""

from engine.layers.pooling.pool import AveragePool1dSpec, AveragePool2dSpec, MaxPool1dSpec, MaxPool2dSpec
from engine.layers.pooling.whole import GlobalAveragePoolSpec, GlobalMaxPoolSpec
from layer_cases import LayerCase

CASES = [
    LayerCase(MaxPool2dSpec(), (4, 4, 1)),
    LayerCase(MaxPool2dSpec(), (3, 5, 1)),
    LayerCase(MaxPool2dSpec(padding="same"), (3, 3, 2)),
    LayerCase(MaxPool2dSpec(pool_size=3, stride=2), (5, 5, 1)),
    LayerCase(MaxPool2dSpec(pool_size=3, stride=1, padding="same"), (3, 4, 1)),
    LayerCase(MaxPool2dSpec(pool_size=(1, 2), stride=(3, 1)), (4, 3, 2)),
    LayerCase(AveragePool2dSpec(), (4, 4, 1)),
    LayerCase(AveragePool2dSpec(), (5, 3, 1)),
    LayerCase(AveragePool2dSpec(padding="same"), (3, 3, 2)),
    LayerCase(AveragePool2dSpec(pool_size=3, stride=2), (5, 5, 1)),
    LayerCase(AveragePool2dSpec(pool_size=(3, 2), stride=1, padding="same"), (3, 4, 1)),
    LayerCase(MaxPool1dSpec(), (5, 2)),
    LayerCase(MaxPool1dSpec(pool_size=3, stride=1, padding="same"), (5, 2)),
    LayerCase(AveragePool1dSpec(), (5, 2)),
    LayerCase(AveragePool1dSpec(pool_size=3, stride=2, padding="same"), (6, 2)),
    LayerCase(GlobalMaxPoolSpec(), (2, 3, 2)),
    LayerCase(GlobalMaxPoolSpec(), (4, 2)),
    LayerCase(GlobalAveragePoolSpec(), (2, 3, 2)),
    LayerCase(GlobalAveragePoolSpec(), (4, 2)),
]
