"""The metrics while training, batch by batch, against scikit-learn on all rows at once."""

import tracemalloc

import numpy as np
import pytest
from sklearn import metrics as reference

from engine.metrics import Metric, metric_for
from engine.tasks import Link, Task

ROWS, BATCH = 103, 16
rng = np.random.default_rng(3)
WEIGHT = rng.uniform(0.1, 3.0, ROWS)
WEIGHTS = pytest.mark.parametrize("weight", [None, WEIGHT], ids=["unweighted", "weighted"])


def run(
    metric: Metric, output: np.ndarray, target: np.ndarray, weight: np.ndarray | None
) -> dict[str, float]:
    """The result over batches, the last one partial, after rows that `reset` must forget."""
    metric.update(-output[:5], target[:5], None)
    metric.reset()
    for start in range(0, len(output), BATCH):
        rows = slice(start, start + BATCH)
        metric.update(output[rows], target[rows], None if weight is None else weight[rows])
    return metric.result()


@WEIGHTS
def test_multiclass_accuracy(weight: np.ndarray | None):
    output, labels = rng.normal(size=(ROWS, 4)), rng.integers(0, 4, ROWS)
    metric = metric_for("multiclass", "softmax", (4,), batch=BATCH, dtype=np.float64)

    result = run(metric, output, np.eye(4)[labels], weight)

    expected = reference.accuracy_score(labels, output.argmax(1), sample_weight=weight)
    assert result == {"accuracy": pytest.approx(expected)}


@WEIGHTS
@pytest.mark.parametrize(("link", "threshold"), [("sigmoid", 0.0), ("identity", 0.5)])
def test_binary_accuracy(link: Link, threshold: float, weight: np.ndarray | None):
    output, labels = threshold + rng.normal(size=(ROWS, 1)), rng.integers(0, 2, (ROWS, 1))
    metric = metric_for("binary", link, (1,), batch=BATCH, dtype=np.float64)

    result = run(metric, output, labels.astype(float), weight)

    expected = reference.accuracy_score(labels[:, 0], output[:, 0] > threshold, sample_weight=weight)
    assert result == {"accuracy": pytest.approx(expected)}


@WEIGHTS
def test_multilabel_accuracy_and_exact_match(weight: np.ndarray | None):
    output, labels = rng.normal(size=(ROWS, 3)), rng.integers(0, 2, (ROWS, 3))
    metric = metric_for("multilabel", "sigmoid", (3,), batch=BATCH, dtype=np.float64)

    result = run(metric, output, labels.astype(float), weight)

    predicted = (output > 0).astype(int)
    loss = reference.hamming_loss(labels, predicted, sample_weight=weight)
    exact = reference.accuracy_score(labels, predicted, sample_weight=weight)
    assert result == {"accuracy": pytest.approx(1 - loss), "exact_match": pytest.approx(exact)}


@WEIGHTS
@pytest.mark.parametrize("outputs", [1, 3])
def test_regression_errors_in_the_targets_unit(outputs: int, weight: np.ndarray | None):
    scale = rng.uniform(1, 100, outputs)
    target = rng.normal(size=(ROWS, outputs))
    output = target + rng.normal(size=(ROWS, outputs))
    metric = metric_for("regression", "identity", (outputs,), batch=BATCH, dtype=np.float64, scale=scale)

    result = run(metric, output, target, weight)

    y, p = target * scale + 7, output * scale + 7
    assert result == {
        "rmse": pytest.approx(reference.root_mean_squared_error(y, p, sample_weight=weight)),
        "mae": pytest.approx(reference.mean_absolute_error(y, p, sample_weight=weight)),
        "r2": pytest.approx(reference.r2_score(y, p, sample_weight=weight)),
    }


@WEIGHTS
def test_regression_errors_of_exponentials(weight: np.ndarray | None):
    """With the link exp the outputs are logarithms of the answers, however far out."""
    output, target = rng.normal(size=(ROWS, 2)), rng.exponential(size=(ROWS, 2))
    output[0], output[1] = -1e4, 3
    metric = metric_for("regression", "exp", (2,), batch=BATCH, dtype=np.float64, scale=np.array([10, 10]))

    result = run(metric, output, target, weight)

    y, p = target * 10, np.exp(output) * 10
    assert result == {
        "rmse": pytest.approx(reference.root_mean_squared_error(y, p, sample_weight=weight)),
        "mae": pytest.approx(reference.mean_absolute_error(y, p, sample_weight=weight)),
        "r2": pytest.approx(reference.r2_score(y, p, sample_weight=weight)),
    }
    metric = metric_for("regression", "exp", (2,), batch=BATCH, dtype=np.float32)
    assert all(map(np.isfinite, run(metric, np.full((5, 2), 1e4, np.float32), target[:5], None).values()))


def test_a_large_mean_does_not_drown_the_variance_in_float32():
    target = (10_000 + rng.normal(size=(ROWS, 1))).astype(np.float32)
    output = target + rng.normal(scale=0.3, size=(ROWS, 1)).astype(np.float32)
    metric = metric_for("regression", "identity", (1,), batch=BATCH, dtype=np.float32)

    result = run(metric, output, target, None)

    expected = reference.r2_score(target.astype(float), output.astype(float))
    assert result["r2"] == pytest.approx(expected, abs=1e-4)


def test_constant_target_as_scikit_learn_counts_it():
    target = np.full((ROWS, 2), 0.25)  # whose mean is exact
    output = target + np.array([0.0, 0.5])
    metric = metric_for("regression", "identity", (2,), batch=BATCH, dtype=np.float64)

    result = run(metric, output, target, None)

    assert result["r2"] == reference.r2_score(target, output) == 0.5


def test_images_as_targets():
    target = rng.normal(size=(ROWS, 4, 4, 1))
    metric = metric_for("autoencoding", "identity", (4, 4, 1), batch=BATCH, dtype=np.float64)

    result = run(metric, target + 0.5, target, None)

    assert result["rmse"] == pytest.approx(0.5)
    assert result["mae"] == pytest.approx(0.5)


@WEIGHTS
@pytest.mark.parametrize(
    ("task", "link", "outputs"),
    [
        ("multiclass", "softmax", 5),
        ("binary", "sigmoid", 1),
        ("multilabel", "sigmoid", 7),
        ("regression", "identity", 3),
        ("regression", "exp", 3),
    ],
)
def test_an_update_allocates_nothing(task: Task, link: Link, outputs: int, weight: np.ndarray | None):
    rows = 2**16
    output, target = np.ones((rows, outputs), np.float32), np.zeros((rows, outputs), np.float32)
    weights = None if weight is None else np.ones(rows, np.float32)
    metric = metric_for(task, link, (outputs,), batch=rows, dtype=np.float32)
    metric.update(output, target, weights)

    tracemalloc.start()
    try:
        metric.update(output, target, weights)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 40_000  # NumPy's own buffer for broadcasting, whatever the batch
