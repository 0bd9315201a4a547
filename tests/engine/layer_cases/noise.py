"""Noise, and AlexNet's normalisation, which makes strong responses quieten their neighbours."""

from engine.layers.noise import GaussianNoiseSpec, SpatialDropoutSpec
from engine.layers.normalization.local_response import LocalResponseNormalizationSpec
from layer_cases import LayerCase

CASES = [
    LayerCase(SpatialDropoutSpec(rate=0.4), (2, 2, 3)),
    LayerCase(SpatialDropoutSpec(rate=0.4), (3, 4)),
    LayerCase(SpatialDropoutSpec(rate=0.0), (3, 2)),
    LayerCase(GaussianNoiseSpec(std=0.5)),
    LayerCase(GaussianNoiseSpec(std=0.0), (2, 3)),
    LayerCase(LocalResponseNormalizationSpec(), (2, 1, 7)),
    LayerCase(LocalResponseNormalizationSpec(n=3, k=1.0, alpha=0.5, beta=0.6), (2, 5)),
    LayerCase(LocalResponseNormalizationSpec(n=4, alpha=0.3), (6,)),
    LayerCase(LocalResponseNormalizationSpec(n=9, alpha=0.3), (2, 2)),
]
