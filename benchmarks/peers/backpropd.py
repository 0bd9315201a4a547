"""This engine, as the service trains: through the Trainer, with the loss's value and the metric of each batch."""

import os
from collections.abc import Callable, Iterator

import numpy as np
from cases import Case, Floats, Part

from engine import kernels
from engine.losses import CrossEntropySpec, MseSpec
from engine.metrics import metric_for
from engine.network import Network, NetworkSpec
from engine.randomness import Randomness
from engine.training import Examples, NoValidation, Trainer, TrainingSpec

kernels.use(os.environ["BACKPROPD_KERNELS"])


def trainer(case: Case) -> Iterator[int]:
    """Trains for ever; yields the rows of each epoch."""
    x, target = case.data()
    y = np.eye(case.outputs, dtype=np.float32)[target] if case.classes else target
    spec = TrainingSpec(epochs=1_000_000, batch_size=case.batch, validation=NoValidation())
    randomness = Randomness(0)
    network = _network(case, case.batch)
    shape = (case.outputs,)
    loss = (CrossEntropySpec() if case.classes else MseSpec()).build(
        shape, batch=case.batch, dtype=network.dtype
    )
    task, link = ("multiclass", "softmax") if case.classes else ("regression", "identity")
    metric = metric_for(task, link, shape, batch=case.batch, dtype=np.float32)
    for progress in Trainer(spec, network, loss, metric, randomness).run(Examples(x, y)):
        if progress.point:
            yield case.rows


def predictor(case: Case, x: Floats) -> Callable[[], object]:
    """Maps x (rows, *in_shape) to the logits."""
    network = _network(case, len(x))
    return lambda: network.forward(x)


def _network(case: Case, batch: int) -> Network:
    layers = [_layer(part) for part in case.parts]
    spec = NetworkSpec.model_validate({"layers": layers}).resolve(case.outputs)
    randomness = Randomness(0)
    network = Network(spec, case.in_shape, batch=batch, rng=randomness.dropout)
    network.init(randomness.init)
    return network


def _layer(part: Part) -> dict[str, object]:
    match part:
        case ("dense", units):
            return {"kind": "dense", "units": units}
        case ("conv", filters, kernel, padding):
            return {"kind": "conv2d", "filters": filters, "kernel_size": kernel, "padding": padding}
        case ("pool",):
            return {"kind": "max_pool2d"}
        case ("lstm", units):
            return {"kind": "lstm", "units": units}
    return {"kind": part[0]}
