"""What all layers that change images have in common: when they draw, from what, and their transpose."""

import numpy as np
import pytest
from drawn_layer import seeded
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.layers import LayerSpec
from engine.layers.augmentation.moved_images import (
    CutoutSpec,
    RandomCropSpec,
    RandomFlipSpec,
    RandomShiftSpec,
)
from engine.layers.augmentation.pca_color import PcaColorSpec
from engine.layers.augmentation.rotation import RandomRotationSpec
from engine.spec import InvalidSpec

SHAPE = (6, 7, 3)
LINEAR = [
    RandomFlipSpec(vertical=True),
    RandomCropSpec(size=(4, 3)),
    RandomShiftSpec(pixels=(2, 9)),
    CutoutSpec(size=(3, 4)),
    RandomRotationSpec(degrees=90),
    RandomRotationSpec(degrees=90, interpolation="nearest"),
]
KEEPING = [spec for spec in (*LINEAR, PcaColorSpec()) if not isinstance(spec, RandomCropSpec)]

each_spec = pytest.mark.parametrize("spec", [*LINEAR, PcaColorSpec()], ids=lambda spec: spec.kind)


def images(rows: int = 20, seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((rows, *SHAPE))


@each_spec
def test_draws_follow_the_seed(spec: LayerSpec) -> None:
    one, same, other = seeded(spec, SHAPE, 1), seeded(spec, SHAPE, 1), seeded(spec, SHAPE, 2)
    y = one.forward(images(), train=True).copy()
    np.testing.assert_array_equal(same.forward(images(), train=True), y)
    assert (other.forward(images(), train=True) != y).any()
    assert (one.forward(images(), train=True) != y).any(), "every look is another one"


@each_spec
def test_every_image_of_a_batch_has_draws_of_its_own(spec: LayerSpec) -> None:
    x = np.repeat(images(1), 20, axis=0)
    y = seeded(spec, SHAPE).forward(x, train=True)
    assert len(np.unique(y.reshape(20, -1), axis=0)) > 3


@pytest.mark.parametrize("spec", KEEPING, ids=lambda spec: spec.kind)
def test_evaluation_changes_nothing_and_draws_nothing(spec: LayerSpec) -> None:
    undisturbed, layer = seeded(spec, SHAPE), seeded(spec, SHAPE)
    x = images()
    assert layer.forward(x, train=False) is x
    np.testing.assert_array_equal(layer.backward(x.copy()), x)
    np.testing.assert_array_equal(layer.forward(x, train=True), undisturbed.forward(x, train=True))


@pytest.mark.parametrize("train", [True, False])
@settings(max_examples=15, deadline=None, derandomize=True)
@given(spec=st.sampled_from(LINEAR), seed=st.integers(0, 1000), rows=st.integers(1, 12))
def test_backward_is_the_transpose(train: bool, spec: LayerSpec, seed: int, rows: int) -> None:
    """<A x, v> = <x, A^T v> for the same draws."""
    layer, x = seeded(spec, SHAPE, seed), images(rows, seed)
    y = layer.forward(x, train=train)
    v = np.random.default_rng(seed + 1).standard_normal(y.shape)
    assert np.vdot(y, v) == pytest.approx(np.vdot(x, layer.backward(v.copy())), abs=1e-9)


@each_spec
def test_images_are_asked_for(spec: LayerSpec) -> None:
    with pytest.raises(InvalidSpec, match="takes images"):
        spec.build((8, 8))
    assert spec.build((10**12, 10**12, 3)).buffer_values() > 10**12
