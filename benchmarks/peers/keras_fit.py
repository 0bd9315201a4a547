"""Keras: compile and fit; the environment chooses its backend."""

import os

if os.environ["OMP_NUM_THREADS"] == "1" and os.environ["KERAS_BACKEND"] == "jax":
    os.sched_setaffinity(0, {0})

from collections.abc import Iterator

import keras
from cases import Case, Part
from keras import layers

if os.environ["KERAS_BACKEND"] == "torch":
    import torch

    torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))


def _layer(part: Part) -> keras.Layer:
    match part:
        case ("dense", units):
            return layers.Dense(units)
        case ("relu",):
            return layers.ReLU()
    raise NotImplementedError(part)


def trainer(case: Case) -> Iterator[int]:
    x, y = case.data()
    model = keras.Sequential([keras.Input(case.in_shape), *map(_layer, case.parts)])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True) if case.classes else "mse"
    model.compile("adam", loss)
    while True:
        model.fit(x, y, batch_size=case.batch, epochs=1, verbose=0)
        yield case.rows
