"""AlexNet at full size: a step of training takes the memory that the summary promises."""

import json
import subprocess
import sys

import pytest

pytestmark = pytest.mark.slow

STEP = """
import json, resource, tracemalloc
import numpy as np
from engine.losses import CrossEntropySpec
from engine.metrics import metric_for
from engine.network import Network
from engine.randomness import Randomness
from engine.summary import summarize
from engine.templates import AlexnetSpec
from engine.training import Examples, NoValidation, Trainer, TrainingSpec

template, rows, classes = AlexnetSpec(), 2, 1000
spec = template.build().resolve(classes)
training = TrainingSpec(epochs=1, batch_size=rows, validation=NoValidation())
summary = summarize(spec, template.input_shape, batch=rows, slots=training.optimizer.slots)
rng = np.random.default_rng(0)
x = rng.normal(size=(rows, *template.input_shape)).astype(np.float32)
y = np.eye(classes, dtype=np.float32)[:rows]
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
tracemalloc.start()
randomness = Randomness(0)
network = Network(spec, template.input_shape, batch=rows, rng=randomness.dropout)
network.init(randomness.init)
loss = CrossEntropySpec().build((classes,), batch=rows, dtype=network.dtype)
metric = metric_for("multiclass", "softmax", (classes,), batch=rows, dtype=network.dtype)
points = [progress.point for progress in Trainer(training, network, loss, metric, randomness).run(Examples(x, y))]
traced = tracemalloc.get_traced_memory()[1]
resident = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024
print(json.dumps({
    "loss": points[-1].train_loss, "parameters": network.theta.size, "promised": summary.training_bytes,
    "traced": traced, "resident": resident, "finite": bool(np.isfinite(network.theta).all()),
}))
"""


def test_a_step_of_the_full_network_in_the_memory_that_was_promised() -> None:
    answer = subprocess.run([sys.executable, "-c", STEP], capture_output=True, text=True, check=False)
    assert answer.returncode == 0, answer.stderr
    found = json.loads(answer.stdout)
    assert found["parameters"] == 62_378_344
    assert found["finite"]
    assert 0 < found["loss"] < 100
    assert found["promised"] < 1.5e9
    assert 0.9 * found["promised"] <= found["traced"] <= 1.1 * found["promised"]
    assert found["resident"] <= 1.1 * found["promised"]
