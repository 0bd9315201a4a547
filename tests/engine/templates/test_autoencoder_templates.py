"""Autoencoders and stacks for pretraining: their layers, and that they learn through a fitting."""

import numpy as np
import polars as pl
import pytest

from engine.encoding.columns import infer
from engine.fitting import Fitting, Table
from engine.goal import GoalSpec
from engine.initializers import ZerosSpec
from engine.pretraining.greedy import stack
from engine.summary import summarize
from engine.templates import AutoencoderSpec, DbnSpec
from engine.training import TrainingSpec


def test_decoder_mirrors_the_encoder():
    network = AutoencoderSpec(hidden=(9, 5), bottleneck=2, activation="tanh").build()
    shapes = [layer.output_shape for layer in summarize(network.resolve(12), (12,)).layers]
    assert shapes == [[9], [9], [5], [5], [2], [5], [5], [9], [9], [12]]
    assert [layer.kind for layer in network.layers] == [
        *["dense", "tanh"] * 2,
        "dense",
        *["dense", "tanh"] * 2,
        "dense",
    ]


def test_noise_comes_first():
    gaussian = AutoencoderSpec(noise="gaussian", noise_level=0.3).build().layers[0]
    masking = AutoencoderSpec(noise="masking", noise_level=0.4).build().layers[0]
    assert (gaussian.kind, gaussian.std) == ("gaussian_noise", 0.3)
    assert (masking.kind, masking.rate) == ("dropout", 0.4)
    assert AutoencoderSpec(hidden=()).build().layers[0].kind == "dense"


@pytest.mark.parametrize("noise", ["none", "gaussian", "masking"])
def test_it_reconstructs_what_has_two_dimensions(noise):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(300, 2)) @ rng.normal(size=(2, 6))
    frame, types, _ = infer(pl.DataFrame({f"x{i}": x[:, i] for i in range(6)}))
    template = AutoencoderSpec(hidden=(16,), bottleneck=2, activation="tanh", noise=noise, noise_level=0.1)
    training = TrainingSpec(epochs=60, optimizer={"kind": "adam", "learning_rate": 0.01}, early_stopping=None)
    fitting = Fitting(Table(frame, types), GoalSpec(), template.build(), training)
    points = [progress.point for progress in fitting.run() if progress.point]
    assert points[-1].validation_loss < 0.1  # of a variance of 1


def test_a_stack_of_sigmoids_that_can_be_pretrained():
    network = DbnSpec(hidden=(7, 5)).build()
    assert stack(network) == [0, 2]
    assert [layer.kind for layer in network.layers] == [*["dense", "sigmoid"] * 2, "dense"]
    assert network.layers[-1].weight_initializer == ZerosSpec()
