"""Normalisations."""

from engine.layers.normalization.batch import BatchNormalizationSpec
from engine.layers.normalization.group import GroupNormalizationSpec
from engine.layers.normalization.layer import LayerNormalizationSpec, RmsNormalizationSpec
from layer_cases import LayerCase

CASES = [
    LayerCase(BatchNormalizationSpec(epsilon=1e-3)),
    LayerCase(BatchNormalizationSpec(momentum=0.99, epsilon=0.1), (2, 3, 2)),
    LayerCase(LayerNormalizationSpec()),
    LayerCase(LayerNormalizationSpec(epsilon=0.1), (2, 3)),
    LayerCase(GroupNormalizationSpec(groups=2, epsilon=0.1)),
    LayerCase(GroupNormalizationSpec(groups=1), (3,)),
    LayerCase(GroupNormalizationSpec(groups=2, epsilon=0.1), (3, 2, 4)),
    LayerCase(GroupNormalizationSpec(groups=3, epsilon=0.1), (3, 3)),
    LayerCase(RmsNormalizationSpec()),
    LayerCase(RmsNormalizationSpec(epsilon=0.1), (2, 3)),
]
