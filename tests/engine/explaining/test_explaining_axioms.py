"""The axioms of attributions, on functions whose attributions are known."""

import itertools
from math import factorial

import numpy as np
import pytest

from engine.explaining import Unexplainable
from engine.explaining.accumulated_local_effects import accumulated_local_effects
from engine.explaining.integrated_gradients import COMPLETE_WITHIN, integrated_gradients
from engine.explaining.partial_dependence import partial_dependence
from engine.explaining.permutation_importance import PermutationImportanceSpec, permutation_importance
from engine.explaining.shapley import (
    EXACT_AT_MOST,
    ShapleySpec,
    constrained_regression,
    draw_coalitions,
    shapley,
)

WEIGHTS = np.array([2.0, -1.0, 0.5, 0.0])
ROW = np.array([1.0, 2.0, -3.0, 4.0])
REFERENCE = np.array([0.5, -1.0, 1.0, 1.0])
SINGLE = [np.array([i]) for i in range(4)]


class Linear:
    """w x + 1."""

    def values(self, x, outputs):
        return x @ WEIGHTS + 1

    def gradients(self, x, outputs):
        return np.tile(WEIGHTS, (len(x), 1))


class Bent:
    """A sum of rectified products: smooth nowhere in particular."""

    def values(self, x, outputs):
        return np.maximum(x[:, 0] * x[:, 1] - 0.3, 0) + np.tanh(3 * x[:, 2])

    def gradients(self, x, outputs):
        gradients = np.zeros_like(x)
        on = x[:, 0] * x[:, 1] > 0.3
        gradients[:, 0], gradients[:, 1] = on * x[:, 1], on * x[:, 0]
        gradients[:, 2] = 3 * (1 - np.tanh(3 * x[:, 2]) ** 2)
        return gradients


class Jump(Linear):
    """A step has no gradient."""

    def values(self, x, outputs):
        return (x[:, 0] > 0.7).astype(float)

    def gradients(self, x, outputs):
        return np.zeros_like(x)


def linear(x):
    return np.stack([x @ WEIGHTS + 1, -(x @ WEIGHTS)], axis=1)


def crossed(x):
    return (x[:, 0] * x[:, 1] + np.sin(x[:, 2]))[:, np.newaxis]


def test_a_linear_model_has_one_answer() -> None:
    """Integrated gradients = expected gradients of one reference = Shapley = w (x - x')."""
    expected = WEIGHTS * (ROW - REFERENCE)
    found = integrated_gradients(Linear(), ROW[np.newaxis], REFERENCE[np.newaxis], np.zeros(1, int))
    np.testing.assert_allclose(found.values[0], expected, rtol=0, atol=1e-12)
    exact = shapley(linear, ROW, REFERENCE[np.newaxis], SINGLE, ShapleySpec())
    np.testing.assert_allclose(exact.values[:, 0], expected, rtol=0, atol=1e-12)
    np.testing.assert_allclose(exact.values[:, 1], -expected, rtol=0, atol=1e-12)


def test_expected_gradients_are_the_mean_over_references() -> None:
    references = np.random.default_rng(0).standard_normal((5, 4))
    found = integrated_gradients(Linear(), ROW[np.newaxis], references, np.zeros(1, int))
    np.testing.assert_allclose(found.values[0], WEIGHTS * (ROW - references.mean(axis=0)), atol=1e-12)


def test_integrated_gradients_add_up_and_take_as_many_points_as_that_needs() -> None:
    rows = np.random.default_rng(1).standard_normal((20, 4))
    found = integrated_gradients(Bent(), rows, np.zeros((1, 4)), np.zeros(20, int))
    differences = Bent().values(rows, None) - Bent().values(np.zeros((1, 4)), None)
    assert np.abs(found.values.sum(axis=1) - differences).max() <= COMPLETE_WITHIN
    np.testing.assert_allclose(found.errors, found.values.sum(axis=1) - differences, atol=1e-15)
    assert len(set(found.points.tolist())) > 1  # more where it bends
    assert not found.values[:, 3].any()  # a dummy gets nothing


def test_the_way_to_a_distant_row_is_looked_at_where_it_bends() -> None:
    row = np.array([[1e6, 1.0, 2e5, 0.0]])
    found = integrated_gradients(Bent(), row, np.zeros((1, 4)), np.zeros(1, int))
    difference = Bent().values(row, None)[0]
    assert found.values.sum() == pytest.approx(difference, abs=COMPLETE_WITHIN)
    assert found.points[0] < 2000


def test_a_jump_is_told_and_not_smoothed_over() -> None:
    with pytest.raises(Unexplainable, match="ask for shapley"):
        integrated_gradients(Jump(), ROW[np.newaxis], REFERENCE[np.newaxis], np.zeros(1, int))


def by_definition(f, row, background, features: int) -> np.ndarray:
    """The mean over all orders of what a feature adds when it comes."""
    phi = np.zeros(features)
    for order in itertools.permutations(range(features)):
        rows = background.copy()
        before = f(rows).mean()
        for feature in order:
            rows[:, feature] = row[feature]
            after = f(rows).mean()
            phi[feature] += after - before
            before = after
    return phi / factorial(features)


def test_shapley_values_are_those_of_all_orders() -> None:
    background = np.random.default_rng(2).standard_normal((7, 4))
    found = shapley(crossed, ROW, background, SINGLE, ShapleySpec())
    assert found.exact
    assert found.coalitions == 16
    np.testing.assert_allclose(found.values[:, 0], by_definition(crossed, ROW, background, 4), atol=1e-12)
    difference = crossed(ROW[np.newaxis])[0] - crossed(background).mean(axis=0)
    np.testing.assert_allclose(found.values.sum(axis=0), difference, rtol=0, atol=1e-9)
    assert found.values[3, 0] == pytest.approx(0, abs=1e-15)  # dummy


def test_shapley_values_of_equals_are_equal() -> None:
    row = np.array([1.5, 1.5, 0.0, 0.0])
    background = np.random.default_rng(3).standard_normal((4, 4))
    background[:, 1] = background[:, 0]
    found = shapley(crossed, row, background, SINGLE, ShapleySpec())
    assert found.values[0, 0] == pytest.approx(found.values[1, 0], abs=1e-12)


def test_a_group_moves_as_one() -> None:
    groups = [np.array([0, 1]), np.array([2]), np.array([3])]
    found = shapley(linear, ROW, REFERENCE[np.newaxis], groups, ShapleySpec())
    moved = WEIGHTS * (ROW - REFERENCE)
    np.testing.assert_allclose(found.values[:, 0], [moved[0] + moved[1], moved[2], moved[3]], atol=1e-12)


def test_the_regression_over_all_coalitions_is_exact() -> None:
    masks, weights = draw_coalitions(4, 10_000, np.random.default_rng(0))
    assert len(masks) == 2**4 - 2
    background = np.random.default_rng(4).standard_normal((3, 4))
    values = np.array([crossed(np.where(mask, ROW, background)).mean(axis=0) for mask in masks])
    base, score = crossed(background).mean(axis=0), crossed(ROW[np.newaxis])[0]
    phi = constrained_regression(masks, weights, values - base, score - base)
    np.testing.assert_allclose(phi[:, 0], by_definition(crossed, ROW, background, 4), atol=1e-12)


def test_kernel_shap_beyond_ten_features() -> None:
    features = EXACT_AT_MOST + 3
    rng = np.random.default_rng(5)
    w, row, background = (rng.standard_normal(shape) for shape in (features, features, (4, features)))
    groups = [np.array([i]) for i in range(features)]

    def f(x):
        return (x @ w + x[:, 0] * x[:, 1])[:, np.newaxis]

    found = shapley(f, row, background, groups, ShapleySpec(coalitions=600))
    assert not found.exact
    assert found.values.sum() == pytest.approx(f(row[np.newaxis])[0, 0] - f(background).mean(), abs=1e-9)
    exact = w * (row - background.mean(axis=0))
    np.testing.assert_allclose(found.values[2:, 0], exact[2:], atol=0.1)
    again = shapley(f, row, background, groups, ShapleySpec(coalitions=600))
    np.testing.assert_array_equal(found.values, again.values)
    # All of the pair's interaction is shared among the two, so together they are exact.
    pair = f(row[np.newaxis])[0, 0] - f(background).mean() - exact[2:].sum()
    assert found.values[:2].sum() == pytest.approx(pair, abs=0.2)


def test_an_unused_column_has_no_permutation_importance() -> None:
    x = np.random.default_rng(6).standard_normal((50, 4))
    truth = x @ WEIGHTS

    def rmse(rows):
        return float(np.sqrt(np.square(rows @ WEIGHTS - truth).mean()))

    found = permutation_importance(rmse, x, SINGLE, PermutationImportanceSpec(repeats=3))
    assert found.baseline == 0
    assert found.means[3] == 0
    assert found.stds[3] == 0
    assert (found.means[:3] > 0).all()
    assert (found.stds[:3] > 0).all()
    assert found.means.argmax() == 0


def test_accumulated_local_effects_of_a_linear_model_are_linear_and_centered() -> None:
    x = np.random.default_rng(7).standard_normal((200, 4))
    edges = np.quantile(x[:, 0], np.linspace(0, 1, 9))
    interval = np.clip(np.searchsorted(edges, x[:, 0], side="left") - 1, 0, 7)
    effects, counts = accumulated_local_effects(linear, x, SINGLE[0], edges[:, np.newaxis], interval)
    np.testing.assert_allclose(np.diff(effects[:, 0]), WEIGHTS[0] * np.diff(edges), atol=1e-12)
    assert counts.sum() == 200
    middles = (effects[:-1] + effects[1:]) / 2
    np.testing.assert_allclose(counts @ middles, 0, atol=1e-10)


def test_partial_dependence_is_the_mean_over_the_rows() -> None:
    x = np.random.default_rng(8).standard_normal((30, 4))
    means, stds = partial_dependence(crossed, x, SINGLE[0], np.array([[0.0], [2.0]]))
    expected = [np.sin(x[:, 2]), 2 * x[:, 1] + np.sin(x[:, 2])]
    np.testing.assert_allclose(means[:, 0], [one.mean() for one in expected])
    np.testing.assert_allclose(stds[:, 0], [one.std() for one in expected])
