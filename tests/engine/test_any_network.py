"""Whatever a client makes of the layers' parameters: it is refused with a reason, or it works."""

import json
from random import Random
from typing import Any

import numpy as np
import pytest
from hypothesis import given, note, settings
from hypothesis import strategies as st
from json_values import JsonValues
from pydantic import ValidationError

from engine.arrays import Shape
from engine.layers import LAYER_SPECS
from engine.layers.combinators import CombinatorSpec
from engine.network import Network, NetworkSpec
from engine.spec import InvalidSpec
from engine.summary import summarize

SPECS = {spec.model_fields["kind"].default: spec.__name__ for spec in LAYER_SPECS}
SCHEMA = NetworkSpec.model_json_schema()
COMBINATORS = [spec.__name__ for spec in LAYER_SPECS if issubclass(spec, CombinatorSpec)]
SHAPES: list[Shape] = [(), (4,), (6,), (4, 3), (5, 2), (4, 4, 3), (5, 4, 2), (2, 3, 2, 2)]
AFFORDABLE = 2**22
"""Bytes and multiply-adds up to which a network is not only counted but run."""
Layers = list[dict[str, Any]]


def built(layers: Layers, in_shape: Shape) -> NetworkSpec | None:
    """The network, unless it is refused; any other error is a failure."""
    try:
        spec = NetworkSpec.model_validate({"layers": layers}).resolve(2)
        summary = summarize(spec, in_shape, batch=2)
    except (ValidationError, InvalidSpec):
        return None
    assert min(summary.output_shape, default=1) >= 1
    summary.model_dump_json()
    cost = max(summary.training_bytes, summary.multiply_adds)
    assert cost >= 0
    return spec if cost <= AFFORDABLE else None


def check(spec: NetworkSpec, in_shape: Shape) -> None:
    """Forward and backward on two rows: the promised shapes, finite numbers, an x that stays as it was."""
    network = Network(spec, in_shape, batch=2, rng=np.random.default_rng(0), input_gradient=True)
    x = np.random.default_rng(1).standard_normal((2, *in_shape)).astype(np.float32)
    kept = x.copy()
    network.init(np.random.default_rng(2), x)
    for train in (True, False):
        y = network.forward(x, train)
        assert y.shape == (2, *network.out_shape)
        assert np.isfinite(y).all()
        dx = network.backward(np.ones_like(y))
        assert dx.shape == x.shape
        for numbers in (dx, network.grad, network.state):
            assert np.isfinite(numbers).all()
    np.testing.assert_array_equal(x, kept)


@pytest.mark.slow
@pytest.mark.parametrize(
    "kind", [kind for kind in SPECS if kind != "columns"]
)  # whose ranges, drawn at random, fit no row
def test_a_network_is_refused_or_works(kind: str) -> None:
    """A layer of this kind over the rows that it takes, then up to two of any kind, unless they are refused."""
    ran = []

    @settings(max_examples=40, deadline=None, derandomize=True, database=None)
    @given(st.randoms(use_true_random=True))  # one seed an example: drawn bit by bit it would take minutes
    def draw(rng: Random) -> None:
        values = JsonValues(SCHEMA, rng, deep=COMBINATORS)
        layers = [values.named(SPECS[kind])]
        networks = [(shape, spec) for shape in SHAPES if (spec := built(layers, shape)) is not None]
        if not networks:
            return
        in_shape, network = rng.choice(networks)
        for _ in range(2):
            more = [*layers, values.named(rng.choice(list(SPECS.values())))]
            if (spec := built(more, in_shape)) is not None:
                layers, network = more, spec
        note(f"{in_shape} {json.dumps(layers)}")
        check(network, in_shape)
        ran.append(network)

    draw()
    assert ran
