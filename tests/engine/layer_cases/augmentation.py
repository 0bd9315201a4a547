"""Layers that change images while training; every network of a test draws the same."""

from engine.layers.augmentation.moved_images import (
    CutoutSpec,
    RandomCropSpec,
    RandomFlipSpec,
    RandomShiftSpec,
)
from engine.layers.augmentation.pca_color import PcaColorSpec
from engine.layers.augmentation.rotation import RandomRotationSpec
from layer_cases import LayerCase

CASES = [
    LayerCase(RandomFlipSpec(), (3, 4, 2)),
    LayerCase(RandomFlipSpec(horizontal=False, vertical=True, probability=0.9), (3, 4, 2)),
    LayerCase(RandomCropSpec(size=(2, 3)), (3, 4, 2)),
    LayerCase(RandomShiftSpec(pixels=(1, 2)), (3, 4, 2)),
    LayerCase(RandomShiftSpec(pixels=5), (3, 5, 2)),
    LayerCase(RandomRotationSpec(degrees=180), (4, 4, 1)),
    LayerCase(RandomRotationSpec(degrees=40, interpolation="nearest"), (3, 4, 2)),
    LayerCase(CutoutSpec(size=(2, 3)), (4, 3, 2)),
    LayerCase(PcaColorSpec(), (2, 2, 3)),
    LayerCase(PcaColorSpec(fit=True, std=0.5), (2, 1, 3)),
]
