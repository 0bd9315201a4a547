"""Backpropagation by hand and by the engine: one network, the same numbers.

The article's worked example: 100 inputs, 50 hidden ReLU units, 10 outputs, and 1000 rows of standard
normal data with random integer labels. It is written twice, formula by formula in plain NumPy
(`ByHand`) and as a spec of the engine (`by_engine`), and both learn the labels by heart with the
same losses. Run it with: python examples/article.py
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from engine.layers.activations.rectifiers import ReluSpec
from engine.layers.dense import DenseSpec
from engine.losses import CrossEntropySpec
from engine.metrics import metric_for
from engine.network import Network, NetworkSpec
from engine.optimizers import SgdSpec
from engine.randomness import Randomness
from engine.training import Examples, NoValidation, Trainer, TrainingSpec

Array = NDArray[np.float64]

ROWS, INPUTS, HIDDEN, CLASSES = 1000, 100, 50, 10
EPOCHS, BATCH, LEARNING_RATE, SEED = 100, 50, 0.1, 0


def make_data() -> tuple[Array, Array]:
    """Standard normal X (rows, inputs), and random labels as one-hot Y (rows, classes)."""
    rng = np.random.default_rng(SEED)
    labels = rng.integers(0, CLASSES, ROWS)
    return rng.normal(size=(ROWS, INPUTS)), np.eye(CLASSES)[labels]


class ByHand:
    """The network and its training in the article's symbols; a row of a matrix is an example.

    Three things that the article's own sample code gets wrong are right here, and numbered: (1) its
    gradients have other shapes than their parameters, (2) the ReLU's derivative is missing, (3) so is
    the learning rate.
    """

    def __init__(self, rng: np.random.Generator) -> None:
        # He et al. 2015: w ~ N(0, 2 / inputs) keeps the variance of the signal through a ReLU.
        self.W1 = rng.normal(0, np.sqrt(2 / INPUTS), (HIDDEN, INPUTS))  # w_ji: unit j, input i
        self.b1 = np.zeros(HIDDEN)
        self.W2 = rng.normal(0, np.sqrt(2 / HIDDEN), (CLASSES, HIDDEN))
        self.b2 = np.zeros(CLASSES)

    def forward(self, X: Array) -> Array:
        """Map X (rows, inputs) to the classes' probabilities (rows, classes)."""
        self.X = X
        self.Z1 = X @ self.W1.T + self.b1  # z = W x + b
        self.A1 = np.maximum(0, self.Z1)  # a = f(z), f = ReLU
        Z2 = self.A1 @ self.W2.T + self.b2  # z = W a + b
        # softmax, p_k = e^z_k / sum_l e^z_l: the largest z is subtracted first, so that nothing overflows
        E: Array = np.exp(Z2 - Z2.max(axis=1, keepdims=True))
        E /= E.sum(axis=1, keepdims=True)
        return E

    @staticmethod
    def loss(P: Array, Y: Array) -> float:
        """Cross-entropy: C = -(1 / rows) sum_rows sum_k y_k log p_k."""
        return float(-np.mean(np.sum(Y * np.log(P), axis=1)))

    def backward(self, P: Array, Y: Array) -> None:
        """The gradients of C, last layer first (the chain rule)."""
        rows = len(Y)
        # delta_k = dC/dz_k = p_k - y_k: softmax and cross-entropy together
        delta2 = (P - Y) / rows
        # dw_ji = delta_j a_i, summed over the rows: a gradient has its parameter's shape (1)
        self.dW2 = delta2.T @ self.A1
        # db_j = delta_j, summed over the rows
        self.db2 = delta2.sum(axis=0)
        # delta_j = (sum_k w_kj delta_k) f'(z_j), with the ReLU's f'(z) = 1 for z > 0, else 0 (2)
        delta1 = (delta2 @ self.W2) * (self.Z1 > 0)
        self.dW1 = delta1.T @ self.X
        self.db1 = delta1.sum(axis=0)

    def step(self, learning_rate: float) -> None:
        """Gradient descent: w = w - eta dC/dw, with a learning rate eta (3)."""
        self.W1 -= learning_rate * self.dW1
        self.b1 -= learning_rate * self.db1
        self.W2 -= learning_rate * self.dW2
        self.b2 -= learning_rate * self.db2

    def train(self, X: Array, Y: Array, *, epochs: int, batch: int) -> Iterator[float]:
        """Train on mini-batches in the order that the engine takes too; yields each epoch's mean loss."""
        randomness = Randomness(SEED)
        for epoch in range(1, epochs + 1):
            order = randomness.shuffle(epoch).permutation(len(X))
            total = 0.0
            for start in range(0, len(X), batch):
                rows = order[start : start + batch]
                P = self.forward(X[rows])
                total += self.loss(P, Y[rows]) * len(rows)
                self.backward(P, Y[rows])
                self.step(LEARNING_RATE)
            yield total / len(X)

    def parameters(self) -> Array:
        """All parameters in one vector, as the engine has them: its W is the transpose of the article's."""
        return np.concatenate([self.W1.T.ravel(), self.b1, self.W2.T.ravel(), self.b2])


NETWORK = NetworkSpec(layers=(DenseSpec(units=HIDDEN), ReluSpec(), DenseSpec(units=CLASSES)))


def by_engine(batch: int) -> Network:
    """The same network in float64, for batches of up to `batch` rows."""
    randomness = Randomness(SEED)
    network = Network(
        NETWORK.resolve(CLASSES), (INPUTS,), batch=batch, rng=randomness.dropout, dtype=np.float64
    )
    network.init(randomness.init)
    return network


def make_trainer(network: Network, *, epochs: int, batch: int) -> Trainer:
    """A trainer for what `ByHand.train` does."""
    spec = TrainingSpec(
        epochs=epochs,
        batch_size=batch,
        optimizer=SgdSpec(learning_rate=LEARNING_RATE),
        validation=NoValidation(),
        seed=SEED,
    )
    loss = CrossEntropySpec().build((CLASSES,), batch=batch, dtype=network.dtype)
    metric = metric_for("multiclass", "softmax", (CLASSES,), batch=batch, dtype=network.dtype)
    return Trainer(spec, network, loss, metric, Randomness(SEED))


def main() -> None:
    """Train both from the same start, and print their losses side by side."""
    X, Y = make_data()
    by_hand = ByHand(np.random.default_rng(SEED))
    network = by_engine(BATCH)
    network.theta[:] = by_hand.parameters()
    trainer = make_trainer(network, epochs=EPOCHS, batch=BATCH)
    points = (progress.point for progress in trainer.run(Examples(X, Y)) if progress.point)
    print("epoch   loss by hand   loss by the engine   accuracy")
    for loss, point in zip(by_hand.train(X, Y, epochs=EPOCHS, batch=BATCH), points, strict=True):
        if point.epoch == 1 or point.epoch % 10 == 0:
            accuracy = point.metrics["train_accuracy"]
            print(f"{point.epoch:5}   {loss:12.9f}   {point.train_loss:18.9f}   {accuracy:8.3f}")
    difference = np.abs(network.theta - by_hand.parameters()).max()
    print(f"largest difference between the two networks' parameters: {difference:.1e}")


if __name__ == "__main__":
    main()
