"""Layers that give rows another shape."""

from engine.layers.images.upsampling import Upsampling1dSpec, Upsampling2dSpec
from engine.layers.images.zero_padding import ZeroPadding1dSpec, ZeroPadding2dSpec
from engine.layers.reshape import PermuteSpec, ReshapeSpec
from layer_cases import LayerCase

CASES = [
    LayerCase(ReshapeSpec(shape=(2, -1)), (6,)),
    LayerCase(ReshapeSpec(shape=(3, 4)), (2, 3, 2)),
    LayerCase(PermuteSpec(axes=(2, 3, 1)), (2, 3, 2)),
    LayerCase(PermuteSpec(axes=(1,)), (4,)),
    LayerCase(ZeroPadding2dSpec(), (2, 3, 2)),
    LayerCase(ZeroPadding2dSpec(padding=((0, 1), (2, 0))), (2, 3, 1)),
    LayerCase(ZeroPadding1dSpec(padding=(2, 1)), (3, 2)),
    LayerCase(Upsampling2dSpec(), (2, 3, 2)),
    LayerCase(Upsampling2dSpec(factor=(1, 3)), (2, 2, 1)),
    LayerCase(Upsampling2dSpec(interpolation="bilinear"), (3, 3, 2)),
    LayerCase(Upsampling2dSpec(factor=(3, 1), interpolation="bilinear"), (2, 2, 2)),
    LayerCase(Upsampling2dSpec(factor=(2, 3), interpolation="bilinear"), (1, 2, 1)),
    LayerCase(Upsampling1dSpec(factor=3), (3, 2)),
]
