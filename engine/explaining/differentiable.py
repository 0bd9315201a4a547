"""Scores with their gradients with respect to the encoded row, in float64.

The network is built anew in float64 over the model's parameters, so that differences of scores and
integrals of gradients agree to more digits than a prediction has.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, cast

import numpy as np

from engine.arrays import Array
from engine.explaining.base import Unexplainable
from engine.explaining.scores import Indices, Scores, Values
from engine.losses import LARGEST_LOGARITHM
from engine.network import Network
from engine.trust.temperature import DISTRIBUTIONS, scaled

if TYPE_CHECKING:  # at run time it would bring polars, which the service's start should not wait for
    from engine.encoding.target import AnyTarget
    from engine.model import Model
    from engine.predictor import Predictor

BATCH = 256
BYTES = 64 * 2**20
"""Rows that go through a network at a time, and bytes that their buffers may take: the fewer counts."""


class Differentiable(Protocol):
    """A function of encoded rows that has a gradient."""

    def values(self, x: Array, outputs: Indices) -> Values:
        """Of each row the score that `outputs` names, (rows,)."""
        ...

    def gradients(self, x: Array, outputs: Indices) -> Values:
        """The gradient of each row's score with respect to the row, (rows, width)."""
        ...


class ScoreGradients:
    """The scores of a model, or the logits in front of the link, and their gradients."""

    def __init__(self, model: "Predictor", *, logits: bool = False) -> None:
        """`logits`: explain what the networks say before the link makes it a probability."""
        members = members_of(model)
        self._target = model.target
        self._link = "identity" if logits else model.link
        if logits and self._target.kind == "ordinal":
            raise Unexplainable("an ordinal model has no logit of a class: leave it out", "explain")
        self._temperature = 1.0 if logits else model.assurance.temperature
        self._logits = logits
        built = [network_of(member) for member in members]
        self._networks = [network for network, _ in built]
        self._batch = min(batch for _, batch in built)

    def values(self, x: Array, outputs: Indices) -> Values:
        """Of each row the score that `outputs` names, (rows,)."""
        return self._batches(x, outputs, slopes=False)[0]

    def gradients(self, x: Array, outputs: Indices) -> Values:
        """The gradient of each row's score with respect to the row, (rows, width)."""
        return self._batches(x, outputs, slopes=True)[1]

    def _batches(self, x: Array, outputs: Indices, *, slopes: bool) -> tuple[Values, Values]:
        values, gradients = np.empty(len(x)), np.empty(x.shape if slopes else (len(x), 0))
        for start in range(0, len(x), self._batch):
            rows = slice(start, start + self._batch)
            part = np.ascontiguousarray(x[rows], np.float64)
            read, answered = self._forward(part, outputs[rows])
            values[rows] = read.values
            if slopes:
                gradients[rows] = self._backward(part, read, answered)
        return values, gradients

    def _forward(self, x: Array, outputs: Indices) -> tuple["Read", list[Values]]:
        answered = [
            linked(self._link, network.forward(x.reshape(len(x), *network.in_shape)))
            for network in self._networks
        ]
        means = np.mean([one.reshape(len(x), -1, one.shape[-1]).mean(axis=1) for one in answered], axis=0)
        read = read_out(self._target, means, outputs, x, temperature=self._temperature, logits=self._logits)
        return read, answered

    def _backward(self, x: Array, read: "Read", answered: Sequence[Values]) -> Values:
        """The gradients of the last forward pass."""
        gradients = read.direct
        for network, answers in zip(self._networks, answered, strict=True):
            back = slopes_of(self._link, answers, read.slopes) / len(self._networks)
            gradients = gradients + network.backward(back).reshape(x.shape)
        return gradients


def members_of(model: "Predictor") -> Sequence["Model"]:
    """The networks whose mean is the model's answer: its own one, or those of an ensemble."""
    alone = cast("Model", model)
    members: Sequence[Model] = getattr(model, "members", [alone])  # by name: its class would bring polars
    return members


def network_at(model: "Predictor", place: int) -> "Model":
    """One of the model's networks, counted from 0; raises `Unexplainable` where there are fewer."""
    members = members_of(model)
    if place >= len(members):
        raise Unexplainable(f"the model has {len(members)} networks, counted from 0", "member")
    return members[place]


class WideScores(Scores):
    """Scores from networks that take many rows at a time, which is several times as fast.

    A model takes few, so that a row's answer has the same bits at every place of a batch; these agree with its
    answers up to rounding.
    """

    def __init__(self, model: "Predictor") -> None:
        super().__init__(model)
        self._predictor = model
        built = [network_of(member, np.float32) for member in members_of(model)]
        self._networks = [network for network, _ in built]
        self._batch = min(batch for _, batch in built)

    def answers(self, x: Array) -> Values:
        """The model's answers to encoded rows x, up to rounding."""
        model = self._predictor
        outputs = np.empty((len(x), model.target.outputs))
        for start in range(0, len(x), self._batch):
            rows = np.ascontiguousarray(x[start : start + self._batch], np.float32)
            of_networks = [
                linked(
                    model.link, network.forward(rows.reshape(len(rows), *network.in_shape)).astype(np.float64)
                )
                for network in self._networks
            ]
            means = [one.reshape(len(rows), -1, one.shape[-1]).mean(axis=1) for one in of_networks]
            outputs[start : start + len(rows)] = np.mean(means, axis=0)
        return model.assurance.scaled(model.target.answers(outputs), model.target.kind)


def network_of(model: "Model", dtype: type[np.floating] = np.float64) -> tuple[Network, int]:
    """The model's network, in float64 with gradients of its input, and the rows that it takes at a time."""
    shape = model.encoder.shape
    a_row = 8 * sum(layer.buffer_values() for layer in model.network.build(shape))
    batch = max(1, min(BATCH, BYTES // a_row))
    network = Network(
        model.network,
        shape,
        batch=batch,
        rng=np.random.default_rng(0),
        dtype=dtype,
        input_gradient=dtype is np.float64,
    )
    network.theta[:] = model.theta
    network.state[:] = model.state
    return network, batch


@dataclass(frozen=True)
class Read:
    """A score of each row, read from the networks' mean outputs after the link."""

    values: Values  # (rows,)
    slopes: Values  # its gradient with respect to the mean outputs, (rows, outputs)
    direct: Values  # that with respect to the encoded rows, where these are part of an autoencoder's error


def read_out(
    target: "AnyTarget",
    means: Values,
    outputs: Indices,
    x: Array,
    *,
    temperature: float = 1.0,
    logits: bool = False,
) -> Read:
    """The score that `outputs` names of each row, from the mean outputs `means` (rows, outputs) of the rows x.

    A binary model has one output for two classes: the first one's probability is 1 - p, its logit -z.
    """
    rows, direct = np.arange(len(means)), np.zeros(x.shape)
    match target.kind:
        case "autoencoding":
            differences = means - x
            of_errors = 2 / x.shape[1] * differences
            return Read(np.square(differences).mean(axis=1), of_errors, -of_errors)
        case "regression" | "count":
            stds, zeros, of_values = np.array(target.stds), np.array(target.means), np.zeros(means.shape)
            unbounded = (stds * means + zeros)[rows, outputs]
            bounded = target.answers(means)[rows, outputs]
            # Beyond the bounds, if there are any, the answer does not change.
            of_values[rows, outputs] = np.where(bounded == unbounded, stds[outputs], 0.0)
            return Read(bounded, of_values, direct)
    ordinal = target.kind == "ordinal"
    plain = -np.diff(means, axis=1, prepend=1.0, append=0.0) if ordinal else means
    answers: Values = scaled(plain.astype(np.float64), temperature, target.kind)
    slopes: Values = np.zeros(answers.shape)
    if target.kind == "binary":
        slopes[:, 0] = np.where(outputs == 1, 1.0, -1.0)
        values: Values = slopes[:, 0] * answers[:, 0] + np.where((outputs == 1) | logits, 0.0, 1.0)
    else:
        slopes[rows, outputs] = 1.0
        values = answers[rows, outputs]
    if temperature != 1:
        slopes = _before_temperature(slopes, plain, answers, temperature, target.kind in DISTRIBUTIONS)
    # P(class k) = P(above k - 1) - P(above k)
    return Read(values, np.diff(slopes, axis=1) if ordinal else slopes, direct)


def _before_temperature(
    slopes: Values, plain: Values, answers: Values, temperature: float, distribution: bool
) -> Values:
    """The gradient with respect to probabilities at temperature 1, from that at `temperature`."""
    least = np.finfo(np.float64).tiny
    if distribution:
        of_logits = answers * (slopes - (slopes * answers).sum(axis=-1, keepdims=True))
        return np.asarray(of_logits / (temperature * np.maximum(plain, least)))
    steepness = np.maximum(plain * (1 - plain), least)
    return np.asarray(slopes * answers * (1 - answers) / (temperature * steepness))


def linked(link: str, z: Array) -> Values:
    """What the link makes of network outputs (rows, ..., outputs), as a copy."""
    match link:
        case "softmax":
            powers = np.exp(z - z.max(axis=-1, keepdims=True))
            return np.asarray(powers / powers.sum(axis=-1, keepdims=True))
        case "sigmoid":
            return np.asarray(np.tanh(z / 2) / 2 + 0.5)
        case "exp":
            return np.exp(np.clip(z, -LARGEST_LOGARITHM, LARGEST_LOGARITHM))
        case _:
            return z.copy()


def slopes_of(link: str, answers: Values, slopes: Values) -> Values:
    """The gradient with respect to network outputs, from that with respect to the mean answer.

    answers (rows, outputs), or (rows, members, outputs) of members within the network; slopes (rows, outputs).
    """
    if answers.ndim > 2:
        slopes = np.broadcast_to(slopes[:, np.newaxis] / answers.shape[1], answers.shape)
    match link:
        case "softmax":
            return np.asarray(answers * (slopes - (slopes * answers).sum(axis=-1, keepdims=True)))
        case "sigmoid":
            return np.asarray(slopes * answers * (1 - answers))
        case "exp":
            bounds = np.exp(-LARGEST_LOGARITHM), np.exp(LARGEST_LOGARITHM)
            return np.where((answers > bounds[0]) & (answers < bounds[1]), slopes * answers, 0.0)
        case _:
            return slopes.copy()
