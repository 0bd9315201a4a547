"""How long a training takes, roughly."""

from engine.summary import NetworkSummary
from engine.training import TrainingSpec


def estimated_seconds(network: NetworkSummary, spec: TrainingSpec, training: int, validation: int) -> float:
    """A rough estimate for all epochs: calls of NumPy for small networks, multiply-adds for large ones."""
    calls_a_step = 10 + 8 * len(network.layers)
    steps = -(-training // spec.batch_rows(training))
    seconds_of_calls = calls_a_step * steps * 2e-6
    # A backward pass costs two forward ones.
    passes = 3 * training * spec.optimizer.evaluations + validation
    multiply_adds = min(network.multiply_adds, 10**30)  # whole numbers have no bound, floats do
    seconds_of_arithmetic = multiply_adds * passes / 2e10
    epochs = spec.epochs + (
        spec.pretraining.epochs if spec.pretraining else 0
    )  # an epoch of it costs much the same
    return epochs * (seconds_of_calls + seconds_of_arithmetic)
