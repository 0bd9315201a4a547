"""Layers within layers at their limits; their mathematics is in the table of gradients."""

import numpy as np
import pytest

from engine.layers.activations.base import TanhSpec
from engine.layers.combinators import MOST_VALUES, ParallelSpec, ResidualSpec, SequentialSpec
from engine.layers.dense import DenseSpec
from engine.layers.images.upsampling import Upsampling2dSpec
from engine.layers.pooling.pool import AveragePool2dSpec
from engine.network import NetworkSpec
from engine.spec import InvalidSpec


def test_without_parameters_nobody_asks_for_gradients() -> None:
    """`dx` of a layer that skips it is whatever lies in memory: no layer before it may calculate with that."""
    layer = SequentialSpec(layers=(TanhSpec(), AveragePool2dSpec())).build((2, 2, 1))
    layer.skip_input_gradient()
    dy = np.ones((1, 1, 1, 1))
    assert layer.backward(dy) is dy  # although there was no forward pass to go back through


def test_concatenated_sides_are_whole_numbers_without_bound() -> None:
    spec = ParallelSpec(branches=((DenseSpec(units=2**62),), (DenseSpec(units=2**62),)))
    assert spec.build((1,)).out_shape == (2**63,)


def test_a_shortcut_that_does_not_fit_tells_what_to_do() -> None:
    with pytest.raises(InvalidSpec, match="change the layers, or give a shortcut") as error:
        ResidualSpec(layers=(DenseSpec(units=5),)).build((8,))
    assert error.value.path == ("shortcut",)


@pytest.mark.parametrize("nested", [False, True])
def test_rows_that_nobody_could_write_down(nested: bool) -> None:
    """Python writes no number of more than 4,300 digits into a message or an answer."""
    layers = (Upsampling2dSpec(factor=4096),) * 1000
    spec = NetworkSpec(layers=(SequentialSpec(layers=layers),) if nested else layers)
    with pytest.raises(InvalidSpec, match="no memory holds") as error:
        spec.build((1, 1, 1))
    place = error.value.path[-1]
    assert 4096 ** (2 * place) <= MOST_VALUES < 4096 ** (2 * (place + 1))
