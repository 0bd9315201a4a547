"""The article's worked example: by hand and by the engine, the same numbers step by step."""

import importlib.util
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from engine.losses import CrossEntropySpec
from engine.training import Examples


def load_example() -> ModuleType:
    path = Path(__file__).parents[2] / "examples" / "article.py"
    spec = importlib.util.spec_from_file_location("article", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


article = load_example()
X, Y = article.make_data()


@pytest.fixture
def by_hand():
    return article.ByHand(np.random.default_rng(1))


def test_the_example_is_the_articles():
    assert X.shape == (1000, 100)
    assert Y.shape == (1000, 10)
    assert set(Y.sum(axis=1)) == {1.0}
    network = article.by_engine(10)
    assert [segment.shape for segment in network.segments] == [(100, 50), (50,), (50, 10), (10,)]


def test_one_pass_gives_the_same_loss_and_gradients(by_hand):
    network = article.by_engine(len(X))
    network.theta[:] = by_hand.parameters()

    P = by_hand.forward(X)
    by_hand.backward(P, Y)
    d_output = np.empty_like(Y)
    cross_entropy = CrossEntropySpec().build((10,), batch=len(X), dtype=network.dtype)
    loss = cross_entropy(network.forward(X, train=True), Y, None, d_output)
    network.backward(d_output)

    assert loss == pytest.approx(by_hand.loss(P, Y), rel=1e-13)
    by_hand_gradient = [by_hand.dW1.T.ravel(), by_hand.db1, by_hand.dW2.T.ravel(), by_hand.db2]
    np.testing.assert_allclose(network.grad, np.concatenate(by_hand_gradient), rtol=1e-9, atol=1e-15)


def test_the_gradients_by_hand_are_those_of_central_differences(by_hand):
    rows, h = slice(0, 20), 1e-6
    by_hand.backward(by_hand.forward(X[rows]), Y[rows])
    for parameter, gradient in [
        (by_hand.W1, by_hand.dW1),
        (by_hand.b1, by_hand.db1),
        (by_hand.W2, by_hand.dW2),
        (by_hand.b2, by_hand.db2),
    ]:
        assert gradient.shape == parameter.shape
        for i in range(0, parameter.size, 97):
            value = parameter.flat[i]
            costs = []
            for shift in (h, -h):
                parameter.flat[i] = value + shift
                costs.append(by_hand.loss(by_hand.forward(X[rows]), Y[rows]))
            parameter.flat[i] = value
            assert gradient.flat[i] == pytest.approx((costs[0] - costs[1]) / (2 * h), abs=1e-8)


@pytest.mark.slow
@pytest.mark.parametrize(("batch", "epochs"), [(1000, 40), (50, 5), (32, 3), (999, 5)])
def test_losses_and_weights_are_equal_step_by_step(by_hand, batch: int, epochs: int):
    network = article.by_engine(batch)
    network.theta[:] = by_hand.parameters()
    trainer = article.make_trainer(network, epochs=epochs, batch=batch)

    engine = (progress.point for progress in trainer.run(Examples(X, Y)) if progress.point)
    for loss, point in zip(by_hand.train(X, Y, epochs=epochs, batch=batch), engine, strict=True):
        assert point.train_loss == pytest.approx(loss, rel=1e-11)
        np.testing.assert_allclose(network.theta, by_hand.parameters(), rtol=1e-9, atol=1e-12)


def test_the_network_learns_the_labels_by_heart(capsys):
    article.main()

    printed = capsys.readouterr().out.splitlines()
    losses = [float(line.split()[2]) for line in printed[1:-1]]
    assert losses == sorted(losses, reverse=True)
    assert losses[0] > 2
    assert losses[-1] < 0.1
    assert printed[-2].split()[-1] == "1.000"
    assert float(printed[-1].split()[-1]) < 1e-12
