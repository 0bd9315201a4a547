"""Rotation against NumPy's quarter turns and a loop written from the formula."""

from itertools import product

import numpy as np
import pytest
from drawn_layer import changed, seeded
from pydantic import ValidationError

from engine.layers.augmentation.rotation import RandomRotationSpec

each_interpolation = pytest.mark.parametrize("interpolation", ["nearest", "bilinear"])


def images(*shape: int) -> np.ndarray:
    return np.random.default_rng(1).standard_normal(shape)


@each_interpolation
@pytest.mark.parametrize("side", [4, 5])
@pytest.mark.parametrize("number", [0.0, 1.0])
def test_quarter_turns(number: float, side: int, interpolation: str) -> None:
    """The numbers 0 and 1 are the largest angles to either side; more images than are turned at once."""
    x = images(300, side, side, 2)
    y = changed(RandomRotationSpec(degrees=90, interpolation=interpolation), x, number)
    np.testing.assert_allclose(y, np.rot90(x, 1 if number else -1, axes=(1, 2)), atol=1e-12)


@each_interpolation
def test_half_turns_of_rectangles(interpolation: str) -> None:
    x = images(3, 4, 7, 2)
    y = changed(RandomRotationSpec(degrees=180, interpolation=interpolation), x, 1.0)
    np.testing.assert_allclose(y, x[:, ::-1, ::-1], atol=1e-12)


@each_interpolation
def test_no_turn(interpolation: str) -> None:
    x = images(3, 4, 7, 2)
    y = changed(RandomRotationSpec(degrees=45, interpolation=interpolation), x, 0.5)
    np.testing.assert_array_equal(y, x)


@each_interpolation
@pytest.mark.parametrize("number", [0.1, 0.37, 0.9])
@pytest.mark.parametrize("shape", [(6, 5), (1, 7)], ids=str)
def test_against_a_loop(shape, number: float, interpolation: str) -> None:
    """Each pixel of the image adds to the new one by the distances of its row and its column, if below 1."""
    height, width = shape
    x = images(2, height, width, 2)
    angle = np.deg2rad(70 * (2 * number - 1))
    expected = np.zeros_like(x)
    for i, j in product(range(height), range(width)):
        u, v = i - (height - 1) / 2, j - (width - 1) / 2
        row = u * np.cos(angle) + v * np.sin(angle) + (height - 1) / 2
        column = v * np.cos(angle) - u * np.sin(angle) + (width - 1) / 2
        for k, m in product(range(height), range(width)):
            if interpolation == "bilinear":
                weight = max(0, 1 - abs(row - k)) * max(0, 1 - abs(column - m))
            else:
                weight = abs(row - k) < 0.5 and abs(column - m) < 0.5
            expected[:, i, j] += weight * x[:, k, m]
    y = changed(RandomRotationSpec(degrees=70, interpolation=interpolation), x, number)
    np.testing.assert_allclose(y, expected, atol=1e-12)


def test_angles_are_even_between_both_ends() -> None:
    """A point far out tells the angle; the mean of n even ones has the deviation 30 / sqrt(3 n) degrees."""
    x = np.zeros((500, 101, 101, 1))
    x[:, 50, 100] = 1
    y = seeded(RandomRotationSpec(degrees=30), (101, 101, 1)).forward(x, train=True)[..., 0]
    rows, columns = np.mgrid[:101, :101] - 50.0
    total = y.sum(axis=(1, 2))
    seen = total > 0.5  # not turned out of the image
    angles = np.rad2deg(np.arctan2(-(y * rows).sum(axis=(1, 2)), (y * columns).sum(axis=(1, 2))))[seen]
    assert seen.mean() > 0.9
    assert np.abs(angles).max() <= 31
    assert np.abs(angles).max() > 28
    assert angles.mean() == pytest.approx(0, abs=5 * 30 / np.sqrt(3 * len(angles)))


@pytest.mark.parametrize("fields", [{"degrees": -1}, {"degrees": 181}, {"interpolation": "cubic"}])
def test_bounds(fields) -> None:
    with pytest.raises(ValidationError):
        RandomRotationSpec(**fields)
