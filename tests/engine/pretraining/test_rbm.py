"""Restricted Boltzmann machines against sums over all of their states, written out as loops."""

import itertools
import math

import numpy as np
import pytest
from scipy.integrate import quad

from engine.pretraining.base import Weights
from engine.pretraining.rbm import HIDDEN_AT_MOST, Rbm


def machine(visible, hidden, kind="binary", seed=0):
    rng = np.random.default_rng(seed)
    weights = Weights(
        rng.normal(0, 0.8, (visible, hidden)), rng.normal(0, 0.5, visible), rng.normal(0, 0.5, hidden)
    )
    return Rbm(weights, kind)


def states(units):
    return np.array(list(itertools.product([0.0, 1.0], repeat=units)))


def energy(rbm, v, h):
    pairs = sum(v[i] * rbm.W[i, j] * h[j] for i in range(len(v)) for j in range(len(h)))
    hidden = sum(b * x for b, x in zip(rbm.b, h, strict=True))
    if rbm.visible == "gaussian":
        return sum((x - a) ** 2 / 2 for a, x in zip(rbm.a, v, strict=True)) - hidden - pairs
    return -sum(a * x for a, x in zip(rbm.a, v, strict=True)) - hidden - pairs


DATA = np.array([[1, 1, 0, 0], [1, 1, 0, 1], [0, 0, 1, 1], [1, 1, 0, 0]], float)


@pytest.fixture
def rbm():
    return machine(4, 3)


@pytest.mark.parametrize("kind", ["binary", "gaussian"])
def test_energy_is_the_formula(kind):
    rbm = machine(4, 3, kind)
    h = states(3)[[1, 6, 7, 2]]
    expected = [energy(rbm, v, x) for v, x in zip(DATA, h, strict=True)]
    np.testing.assert_allclose(rbm.energy(DATA, h), expected, rtol=1e-13)


@pytest.mark.parametrize("kind", ["binary", "gaussian"])
def test_free_energy_sums_the_hidden_units_out(kind):
    rbm = machine(4, 3, kind)
    expected = [-math.log(sum(math.exp(-energy(rbm, v, h)) for h in states(3))) for v in DATA]
    np.testing.assert_allclose(rbm.free_energy(DATA), expected, rtol=1e-13)


def test_partition_function_and_exact_gradient_of_a_4x3_machine(rbm):
    joint = {(tuple(v), tuple(h)): math.exp(-energy(rbm, v, h)) for v in states(4) for h in states(3)}
    Z = sum(joint.values())
    assert rbm.log_partition() == pytest.approx(math.log(Z), rel=1e-13)
    model = [np.zeros((4, 3)), np.zeros(4), np.zeros(3)]
    for (v, h), weight in joint.items():
        for total, part in zip(model, (np.outer(v, h), np.array(v), np.array(h)), strict=True):
            np.add(total, weight / Z * part, out=total)
    data = [np.zeros((4, 3)), np.zeros(4), np.zeros(3)]
    for v in DATA:
        p_v = sum(joint[tuple(v), tuple(h)] for h in states(3))
        for h in states(3):
            p = joint[tuple(v), tuple(h)] / p_v / len(DATA)
            for total, part in zip(data, (np.outer(v, h), v, h), strict=True):
                np.add(total, p * part, out=total)
    for found, positive, negative in zip(rbm.exact_gradient(DATA), data, model, strict=True):
        np.testing.assert_allclose(found, positive - negative, rtol=1e-11, atol=1e-14)


def test_partition_function_of_gaussian_units_is_the_integral():
    rbm = machine(1, 2, "gaussian")
    Z, _ = quad(lambda x: sum(math.exp(-energy(rbm, [x], h)) for h in states(2)), -40, 40, epsabs=1e-12)
    assert rbm.log_partition() == pytest.approx(math.log(Z), rel=1e-9)


@pytest.mark.parametrize("kind", ["binary", "gaussian"])
def test_exact_gradient_is_the_slope_of_the_log_likelihood(kind):
    rbm = machine(4, 3, kind)
    gradient = rbm.exact_gradient(DATA)
    step = 1e-6
    for parameter, slopes in zip(rbm.weights, gradient, strict=True):
        for at in np.ndindex(parameter.shape):
            value = parameter[at]
            parameter[at] = value + step
            above = rbm.log_likelihood(DATA)
            parameter[at] = value - step
            below = rbm.log_likelihood(DATA)
            parameter[at] = value
            assert slopes[at] == pytest.approx((above - below) / (2 * step), rel=1e-6, abs=1e-8)


def gibbs(rbm):
    """The probabilities of one step from each of the 16 visible states to each, by way of the hidden ones."""
    v, h = states(4), states(3)
    up, down = rbm.up(v), rbm.down(h)
    to_hidden = np.prod(np.where(h[None] == 1, up[:, None], 1 - up[:, None]), axis=2)
    to_visible = np.prod(np.where(v[None] == 1, down[:, None], 1 - down[:, None]), axis=2)
    return to_hidden @ to_visible


def expected_cd(rbm, k):
    """What CD-k is on average: the data's distribution moved k steps, without any sampling."""
    v = states(4)
    start = np.array([np.mean((state == DATA).all(axis=1)) for state in v])
    end = start @ np.linalg.matrix_power(gibbs(rbm), k)
    h = rbm.up(v)
    moved = start - end
    return Weights((v.T * moved) @ h, moved @ v, moved @ h)


def distance(one, other):
    return math.sqrt(sum(np.square(x - y).sum() for x, y in zip(one, other, strict=True)))


def test_gibbs_sampling_keeps_the_distribution(rbm):
    p = np.exp(-rbm.free_energy(states(4)) - rbm.log_partition())
    assert p.sum() == pytest.approx(1)
    np.testing.assert_allclose(p @ gibbs(rbm), p, rtol=1e-12)


def test_cd_k_approaches_the_exact_gradient_as_k_grows(rbm):
    exact = rbm.exact_gradient(DATA)
    distances = [distance(expected_cd(rbm, k), exact) for k in (1, 2, 4, 8, 16)]
    assert all(later < earlier / 4 for earlier, later in itertools.pairwise(distances))
    assert distances[0] > 0.05
    assert distances[-1] < 1e-12


@pytest.mark.parametrize("k", [1, 3])
def test_sampled_cd_k_is_its_expectation(rbm, k):
    rows = 40_000
    found = rbm.cd_gradient(np.repeat(DATA, rows // len(DATA), axis=0), k, np.random.default_rng(1))
    for sampled, expected in zip(found, expected_cd(rbm, k), strict=True):
        # each row's value lies within -1..1, so 5 / sqrt(rows) is five deviations or more
        np.testing.assert_allclose(sampled, expected, atol=5 / math.sqrt(rows))


def test_sampled_cd_of_gaussian_units_is_near_the_exact_gradient_of_the_models_own_data():
    rbm = machine(3, 2, "gaussian")
    rng = np.random.default_rng(2)
    v = np.zeros((40_000, 3))
    for _ in range(50):
        v = rbm.sample_visible(rbm.sample_hidden(rbm.up(v), rng), rng)
    for slopes in (*rbm.cd_gradient(v, 1, rng), *rbm.exact_gradient(v)):
        np.testing.assert_allclose(slopes, 0, atol=0.05)  # its own data is as likely as can be


def test_contrastive_divergence_makes_the_data_likely():
    rng = np.random.default_rng(3)
    rbm = Rbm(Weights(rng.normal(0, 0.01, (4, 3)), np.zeros(4), np.zeros(3)))
    before = rbm.log_likelihood(DATA)
    for _ in range(3000):
        for parameter, slope in zip(rbm.weights, rbm.cd_gradient(DATA, 1, rng), strict=True):
            np.add(parameter, 0.1 * slope, out=parameter)
    best = np.mean([math.log(np.mean((v == DATA).all(axis=1))) for v in DATA])  # the data's own entropy
    assert before == pytest.approx(4 * math.log(0.5), abs=0.05)
    assert rbm.log_likelihood(DATA) > best - 0.3


def test_too_many_states_are_refused():
    rbm = machine(2, HIDDEN_AT_MOST + 1)
    with pytest.raises(ValueError, match="too many states"):
        rbm.log_partition()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("kind", ["binary", "gaussian"])
def test_large_values_stay_finite_and_of_their_precision(dtype, kind):
    rng = np.random.default_rng(0)
    weights = Weights(*(rng.normal(0, 1e3, shape).astype(dtype) for shape in ((5, 4), 5, 4)))
    for values in (*Rbm(weights, kind).cd_gradient(rng.normal(0, 1e4, (3, 5)).astype(dtype), 2, rng),):
        assert values.dtype == dtype
        assert np.isfinite(values).all()
