"""Flip, crop, shift and cutout against NumPy's slices, and the statistics of their draws."""

from itertools import product

import numpy as np
import pytest
from drawn_layer import bound, changed, middles, seeded
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from engine.layers.augmentation.moved_images import (
    CutoutSpec,
    RandomCropSpec,
    RandomFlipSpec,
    RandomShiftSpec,
)
from engine.spec import InvalidSpec

quickly = settings(max_examples=30, deadline=None, derandomize=True)


def images(*shape: int) -> np.ndarray:
    return 1 + np.random.default_rng(1).random(shape)  # nowhere 0, which is what comes in


@pytest.mark.parametrize(
    ("numbers", "axes"), [((0.4, 0.4), (1, 2)), ((0.4, 0.6), (1,)), ((0.6, 0.4), (2,)), ((0.6, 0.6), ())]
)
def test_flips(numbers, axes) -> None:
    x = images(3, 4, 5, 2)
    flip = RandomFlipSpec(vertical=True)
    once = changed(flip, x, *numbers)
    np.testing.assert_array_equal(once, np.flip(x, axes))
    np.testing.assert_array_equal(changed(flip, once, *numbers), x)


@pytest.mark.parametrize("probability", [0.0, 0.3, 1.0])
def test_flips_have_their_probability(probability: float) -> None:
    """Over n images the share flipped has the deviation sqrt(p (1 - p) / n); five of them are allowed."""
    x = np.broadcast_to(images(1, 2, 3, 1), (500, 2, 3, 1)).copy()
    y = seeded(RandomFlipSpec(probability=probability), (2, 3, 1)).forward(x, train=True)
    flipped = (y == np.flip(x, 2)).all(axis=(1, 2, 3))
    assert (flipped | (y == x).all(axis=(1, 2, 3))).all(), "upside down is not asked for"
    allowed = 5 * np.sqrt(probability * (1 - probability) / 500)
    assert flipped.mean() == pytest.approx(probability, abs=allowed)


def test_crops_are_all_the_windows() -> None:
    x = images(2, 5, 7, 3)
    for (top, down), (left, right) in product(enumerate(middles(3)), enumerate(middles(4))):
        np.testing.assert_array_equal(
            changed(RandomCropSpec(size=(3, 4)), x, down, right), x[:, top : top + 3, left : left + 4]
        )


@pytest.mark.parametrize("number", [0.0, 1 - 2**-53])
def test_draws_at_both_ends_stay_inside(number: float) -> None:
    x = images(1, 5, 7, 1)
    first, last = x[:, :3, :4], x[:, -3:, -4:]
    expected = last if number else first
    np.testing.assert_array_equal(changed(RandomCropSpec(size=(3, 4)), x, number, number), expected)


@pytest.mark.parametrize(("side", "size", "start"), [(7, 3, 2), (8, 4, 2), (7, 4, 2), (5, 5, 0)])
def test_evaluation_crops_the_middle(side: int, size: int, start: int) -> None:
    x = images(2, side, side, 1)
    layer = seeded(RandomCropSpec(size=size), x.shape[1:])
    layer.forward(x, train=True)
    middle = slice(start, start + size)
    np.testing.assert_array_equal(layer.forward(x, train=False), x[:, middle, middle])


def test_shifts_against_a_loop() -> None:
    x = images(2, 4, 5, 2)
    spec = RandomShiftSpec(pixels=(1, 7))  # further than the image is wide
    for (i, down), (j, right) in product(enumerate(middles(3)), enumerate(middles(15))):
        expected = np.zeros_like(x)
        for row, column in product(range(4), range(5)):
            if 0 <= row - (i - 1) < 4 and 0 <= column - (j - 7) < 5:
                expected[:, row, column] = x[:, row - (i - 1), column - (j - 7)]
        np.testing.assert_array_equal(changed(spec, x, down, right), expected)


@quickly
@given(down=st.integers(0, 6), right=st.integers(0, 6))
def test_a_shift_there_and_back_leaves_a_margin(down: int, right: int) -> None:
    """Numbers of the other half shift the other way."""
    x, spec = images(1, 9, 9, 1), RandomShiftSpec(pixels=3)
    there, back = ([middles(7)[i] for i in way] for way in ((down, right), (6 - down, 6 - right)))
    y = changed(spec, changed(spec, x, *there), *back)
    np.testing.assert_array_equal(y[:, 3:-3, 3:-3], x[:, 3:-3, 3:-3])
    assert set(np.unique(y)) <= {0.0, *x.ravel()}


def test_shifts_are_all_as_probable() -> None:
    """Each of 5 x 3 shifts has n/15 of n images, with the deviation sqrt(n/15 14/15); five are allowed."""
    layer = seeded(RandomShiftSpec(pixels=(2, 1)), (9, 9, 1))
    x = np.zeros((500, 9, 9, 1))
    x[:, 4, 4] = 1
    counts = np.add.reduce([layer.forward(x, train=True).sum(axis=0)[..., 0] for _ in range(6)])
    inside = counts[2:7, 3:6]
    assert inside.sum() == counts.sum() == 3000
    np.testing.assert_allclose(inside, 200, atol=5 * np.sqrt(200 * 14 / 15))


@pytest.mark.parametrize("size", [(1, 1), (2, 3), (20, 1), (20, 20)])
def test_cutout_against_a_loop(size) -> None:
    """A rectangle of the size around each pixel, cut off at the border."""
    x = images(2, 4, 5, 2)
    for (i, down), (j, right) in product(enumerate(middles(4)), enumerate(middles(5))):
        rows = range(i - size[0] // 2, i - size[0] // 2 + size[0])
        columns = range(j - size[1] // 2, j - size[1] // 2 + size[1])
        expected = x.copy()
        for row, column in product(range(4), range(5)):
            if row in rows and column in columns:
                expected[:, row, column] = 0
        np.testing.assert_array_equal(changed(CutoutSpec(size=size), x, down, right), expected)


def test_a_gradient_that_nobody_reads_is_not_computed() -> None:
    layer = bound(RandomFlipSpec(), (4, 5, 2), np.random.default_rng(0), batch=3)
    layer.skip_input_gradient()
    layer._dx.fill(7)
    y = layer.forward(images(3, 4, 5, 2), train=True)
    assert (layer.backward(np.ones_like(y)) == 7).all()


def test_crops_larger_than_the_image() -> None:
    with pytest.raises(InvalidSpec, match="cannot be cut out") as error:
        RandomCropSpec(size=(3, 6)).build((5, 5, 1))
    assert error.value.path == ("size",)


@pytest.mark.parametrize(
    "make",
    [
        lambda: RandomFlipSpec(probability=1.5),
        lambda: RandomCropSpec(size=0),
        RandomCropSpec,
        lambda: RandomShiftSpec(pixels=-1),
        lambda: CutoutSpec(size=(1, 2, 3)),
    ],
)
def test_bounds(make) -> None:
    with pytest.raises(ValidationError):
        make()
