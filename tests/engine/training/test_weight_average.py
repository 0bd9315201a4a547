import numpy as np
import pytest
from training_runs import HIDDEN, Run, noise, regression, spec

from engine.layers.dense import DenseSpec
from engine.network import Network, NetworkSpec
from engine.optimizers import BLOCK, AdamSpec
from engine.training import EarlyStoppingSpec, WeightAverageSpec
from engine.training.weight_average import WeightAverage


def network(features: int, states: int = 0) -> Network:
    made = Network(
        NetworkSpec(layers=(DenseSpec(units=1),)),
        (features,),
        batch=1,
        rng=np.random.default_rng(0),
        dtype=np.float64,
    )
    made.state = np.zeros(states)  # as if a layer kept running moments
    return made


@pytest.mark.parametrize("features", [3, BLOCK + 10])
def test_the_plain_average_begins_with_the_start(features: int):
    rng = np.random.default_rng(1)
    net = network(features, states=2)
    net.theta[:], net.state[:] = rng.normal(size=features + 1), rng.normal(size=2)
    average = WeightAverage(WeightAverageSpec(decay=0.8, bias_corrected=False), net)
    theta, state = net.theta.copy(), net.state.copy()
    for _ in range(6):
        net.theta += rng.normal(size=features + 1)
        net.state += rng.normal(size=2)
        average.update()
        theta, state = 0.8 * theta + 0.2 * net.theta, 0.8 * state + 0.2 * net.state
    average.average.swap()
    np.testing.assert_allclose(net.theta, theta, rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(net.state, state, rtol=1e-12, atol=1e-14)


def test_without_bias_it_is_the_weighted_mean_of_the_steps_alone():
    """sum_i d^(t-i) theta_i / sum_i d^(t-i), as Adam corrects its means."""
    net = network(2)
    net.theta[:] = 1000  # the start leaves no trace
    average = WeightAverage(WeightAverageSpec(decay=0.9), net)
    thetas = np.random.default_rng(0).normal(size=(7, 3))
    for theta in thetas:
        net.theta[:] = theta
        average.update()
    average.average.swap()
    weights = 0.9 ** np.arange(6, -1, -1)
    np.testing.assert_allclose(net.theta, np.average(thetas, axis=0, weights=weights), rtol=1e-9)


def test_the_network_has_the_average_for_a_while():
    net = network(2)
    average = WeightAverage(WeightAverageSpec(decay=0.5, bias_corrected=False), net)
    net.theta[:] = [2, 4, 6]
    average.update()
    for _ in range(2):
        with average.in_network():
            assert net.theta.tolist() == [1, 2, 3]
        assert net.theta.tolist() == [2, 4, 6]


def test_the_network_has_its_own_weights_again_after_an_error():
    net = network(2)
    average = WeightAverage(WeightAverageSpec(), net)
    net.theta[:] = 1

    def fail() -> None:
        with average.in_network():
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert net.theta.tolist() == [1, 1, 1]


def test_validation_and_the_kept_model_use_the_average():
    training, validation = noise(30, seed=0), noise(10, seed=1)
    options = {"epochs": 6, "batch_size": 10, "optimizer": AdamSpec(learning_rate=0.02)}
    plain = Run(spec(**options, early_stopping=None), training, *HIDDEN)
    thetas = [plain.network.theta.copy() for p in plain.trainer.run(training) if p.point is None]

    recipe = spec(**options, early_stopping=None, weight_average=WeightAverageSpec(decay=0.9))
    run = Run(recipe, training, *HIDDEN)
    for i, progress in enumerate(run.trainer.run(training, validation)):
        steps = i + 1 - (i + 1) // 4
        weights = 0.9 ** np.arange(steps - 1, -1, -1)
        average = np.average(thetas[:steps], axis=0, weights=weights)
        if progress.point is None:
            np.testing.assert_array_equal(run.network.theta, thetas[steps - 1])
        else:
            plain.network.theta[:] = average
            error = np.mean((plain.network.forward(validation.x) - validation.y) ** 2)
            assert progress.point.validation_loss == pytest.approx(error, rel=1e-9)
    np.testing.assert_allclose(run.network.theta, average, rtol=1e-9)


def test_early_stopping_keeps_the_average_of_its_best_epoch():
    training, validation = noise(30, seed=0), noise(30, seed=1)
    recipe = spec(
        epochs=100,
        optimizer=AdamSpec(learning_rate=0.02),
        early_stopping=EarlyStoppingSpec(patience=5),
        weight_average=WeightAverageSpec(decay=0.9),
    )
    run = Run(recipe, training, *HIDDEN)
    points = run.points(training, validation)
    assert run.trainer.stopped_early
    error = np.mean((run.network.forward(validation.x) - validation.y) ** 2)
    assert error == pytest.approx(min(point.validation_loss for point in points), rel=1e-12)


def test_it_smooths_what_a_large_learning_rate_shakes():
    """On noisy targets the average is nearer to the least squares than the last weights."""
    rng = np.random.default_rng(0)
    examples = regression(400)
    examples.y[:] += 3 * rng.normal(size=examples.y.shape)
    design = np.hstack([examples.x, np.ones((400, 1))])
    best = np.linalg.lstsq(design, examples.y[:, 0], rcond=None)[0]
    distances = []
    for average in (None, WeightAverageSpec(decay=0.99)):
        recipe = spec(epochs=20, batch_size=4, optimizer=AdamSpec(learning_rate=0.1), weight_average=average)
        run = Run(recipe, examples, DenseSpec())
        run.points(examples)
        distances.append(np.linalg.norm(run.network.theta - best))
    assert distances[1] < distances[0] / 2
