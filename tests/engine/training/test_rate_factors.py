import numpy as np
import pytest
from training_runs import HIDDEN, Run, regression, spec

from engine.layers.dense import DenseSpec
from engine.network import Segment
from engine.optimizers import SgdSpec
from engine.spec import InvalidSpec
from engine.training.rate_factors import with_rate_factors

SEGMENTS = [
    Segment("0.W", slice(0, 2), (2,), rate=0.5),
    Segment("0.b", slice(2, 3), (1,), decay=False),
    Segment("3.0.1.W", slice(3, 5), (2,)),
    Segment("3.0.1.b", slice(5, 6), (1,), decay=False),
]


@pytest.mark.parametrize(
    ("factors", "rates"),
    [
        ({}, [0.5, 1, 1, 1]),
        ({"b": 0.1}, [0.5, 0.1, 1, 0.1]),
        ({"W": 3, "3.0.1.b": 0}, [1.5, 1, 3, 0]),
        ({"b": 0.1, "3.0.1.b": 7, "0.W": 2}, [1, 0.1, 1, 7]),  # the full name wins
    ],
)
def test_factors_by_own_and_by_full_name(factors: dict, rates: list):
    changed = with_rate_factors(SEGMENTS, factors)
    assert [segment.rate for segment in changed] == pytest.approx(rates)
    assert [(s.name, s.slice, s.decay) for s in changed] == [(s.name, s.slice, s.decay) for s in SEGMENTS]
    assert SEGMENTS[0].rate == 0.5


@pytest.mark.parametrize("key", ["c", "1.W", "0", "", "0.W.W", "W0"])
def test_an_unknown_name_is_refused_at_its_key(key: str):
    examples = regression(10)
    with pytest.raises(InvalidSpec, match="its parameters are called W, b") as caught:
        Run(spec(rate_factors={"b": 1.0, key: 2.0}), examples, DenseSpec())
    assert caught.value.path == ("rate_factors", key)


def test_the_steps_of_a_parameter_follow_its_factor():
    examples = regression(20)
    moves = []
    for factors in ({}, {"b": 0.0, "0.W": 3.0}):
        recipe = spec(epochs=1, batch_size=20, optimizer=SgdSpec(learning_rate=0.01), rate_factors=factors)
        run = Run(recipe, examples, *HIDDEN)
        before = run.network.theta.copy()
        run.points(examples)
        moves.append({s.name: (run.network.theta - before)[s.slice] for s in run.network.segments})
    plain, changed = moves
    for name, factor in {"0.W": 3, "0.b": 0, "2.W": 1, "2.b": 0}.items():
        np.testing.assert_allclose(changed[name], factor * plain[name], rtol=1e-12)
