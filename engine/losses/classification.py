"""Losses on logits: the likelihood of labels and of classes. The sigmoid or softmax is part of them."""

from typing import ClassVar, Literal

import numpy as np
from pydantic import Field

from engine.arrays import Array, Shape, size
from engine.kernels import chosen
from engine.layers.activations.base import odds
from engine.losses.base import ElementLoss, Loss, LossSpec, Takes
from engine.spec import InvalidSpec


def check_classes(kind: str, shape: Shape) -> None:
    """Raise `InvalidSpec` unless rows have one axis, the classes."""
    if len(shape) != 1:
        raise InvalidSpec(
            f"{kind} takes rows of one axis, one output a class, but the outputs have the shape {list(shape)}"
        )


class LogLossSpec(LossSpec):
    """The negative log-likelihood of 0/1 targets, one logit each; the sigmoid is part of it.

    Of ordered classes the targets are whether the class is above each but the last.
    """

    tasks: ClassVar[frozenset[str]] = frozenset({"binary", "multilabel", "ordinal"})
    takes: ClassVar[Takes] = "logits"
    formula: ClassVar[str] = (
        r"l = -\frac{1}{n} \sum_j \left(y_j \log p_j + (1 - y_j) \log(1 - p_j)\right)"
        r" = \frac{1}{n} \sum_j \left(\log(1 + e^{z_j}) - z_j y_j\right), \quad p_j = \sigma(z_j)"
    )
    source: ClassVar[str] = "Cox 1958, The regression analysis of binary sequences; the article's log loss"

    kind: Literal["log_loss"] = "log_loss"
    label_smoothing: float = Field(
        0.0, ge=0, lt=1, description="The part s of a target y that becomes 1/2: (1 - s) y + s / 2."
    )

    def build(self, shape: Shape, *, batch: int, dtype: np.dtype[np.floating]) -> Loss:
        """Build for logits of any shape."""
        return smoothed(LogLoss(shape, batch, dtype), self.label_smoothing, 2, shape, batch, dtype)


class LogLoss(ElementLoss):
    """element = log(1 + o) - z y with the odds o = e^z; its slope is p - y with p = o / (1 + o)."""

    def __init__(self, shape: Shape, batch: int, dtype: np.dtype[np.floating]) -> None:
        super().__init__(shape, batch, dtype)
        self._odds = np.empty_like(self._elements)

    def elements(self, z: Array, y: Array, out: Array) -> None:
        """max(z, log(1 + o)) - z y: the odds are cut where the logarithm is z itself."""
        t = self._difference[: len(z)]
        np.log1p(odds(z, out=self._odds[: len(z)]), out=out)
        np.maximum(z, out, out=out)
        np.multiply(z, y, out=t)
        out -= t

    def slopes(self, z: Array, y: Array, out: Array) -> None:
        """o / (1 + o) - y."""
        o = self._odds[: len(z)]
        np.add(o, 1.0, out=out)
        np.divide(o, out, out=out)
        out -= y


class CrossEntropySpec(LossSpec):
    """The negative log-likelihood of the right class, on one logit a class; the softmax is part of it."""

    tasks: ClassVar[frozenset[str]] = frozenset({"multiclass"})
    takes: ClassVar[Takes] = "logits"
    formula: ClassVar[str] = (
        r"l = -\sum_k y_k \log p_k = \log \sum_k e^{z_k} - \sum_k y_k z_k, \quad p = \mathrm{softmax}(z)"
    )
    source: ClassVar[str] = (
        "Bridle 1990, Probabilistic interpretation of feedforward classification network outputs; "
        "the article's cross-entropy; Szegedy et al. 2016, Rethinking the inception architecture for computer "
        "vision, section 7 (label smoothing)"
    )

    kind: Literal["cross_entropy"] = "cross_entropy"
    label_smoothing: float = Field(
        0.0,
        ge=0,
        lt=1,
        description="The part s of a target that is spread over all K classes: (1 - s) y_k + s / K.",
    )

    def build(self, shape: Shape, *, batch: int, dtype: np.dtype[np.floating]) -> Loss:
        """Build for rows of one axis, the classes; raises `InvalidSpec` for other rows."""
        check_classes(self.kind, shape)
        loss = CrossEntropy(shape, batch, dtype)
        return smoothed(loss, self.label_smoothing, shape[0], shape, batch, dtype)


class CrossEntropy(Loss):
    """l = log sum_k e^(z_k - c), with c = sum_k y_k z_k; its slope is p_k - y_k, with p = softmax(z)."""

    def __init__(self, shape: Shape, batch: int, dtype: np.dtype[np.floating]) -> None:
        self._scratch = np.empty((batch, size(shape)), dtype)
        super().__init__(shape, batch, dtype)
        self._kernel = chosen().cross_entropy
        self._class_ones = np.ones((self._width, 1), dtype)
        self._one = np.ones((), dtype)

    def take_rows(self, rows: int) -> None:
        """Cut also the scratch."""
        super().take_rows(rows)
        self._slopes, self._column = self._scratch[:rows], self._losses[:, None]

    def cost(self, z: Array, y: Array, weight: Array | None) -> float:
        """log sum_k e^(z_k - c)."""
        return self.descend(z, y, weight, self._one, self._slopes)

    def descend(self, z: Array, y: Array, weight: Array | None, factor: Array, out: Array) -> float:
        """The same, and p_k - y_k."""
        weighted, weight = weight is not None, self._ones if weight is None else weight
        return self._kernel(z, y, weight, weighted, out, factor, self._losses, self._column, self._class_ones)


class KlDivergenceSpec(LossSpec):
    """How far the network's probabilities are from those of the targets, on one logit a class.

    It is the cross-entropy less the targets' own entropy: 0 where both agree. With targets that are sure of
    one class the two are equal.
    """

    tasks: ClassVar[frozenset[str]] = frozenset({"multiclass"})
    takes: ClassVar[Takes] = "logits"
    formula: ClassVar[str] = r"l = \sum_k y_k \log \frac{y_k}{p_k}, \quad p = \mathrm{softmax}(z)"
    source: ClassVar[str] = "Kullback & Leibler 1951, On information and sufficiency, eq. 2.4"

    kind: Literal["kl_divergence"] = "kl_divergence"

    def build(self, shape: Shape, *, batch: int, dtype: np.dtype[np.floating]) -> "KlDivergence":
        """Build for rows of one axis, the classes; raises `InvalidSpec` for other rows."""
        check_classes(self.kind, shape)
        return KlDivergence(shape, batch, dtype)


class KlDivergence(CrossEntropy):
    """l = cross-entropy + sum_k y_k log y_k, where 0 log 0 = 0; the targets' part has no slope."""

    def __init__(self, shape: Shape, batch: int, dtype: np.dtype[np.floating]) -> None:
        super().__init__(shape, batch, dtype)
        self._log_y = np.empty((batch, self._width), dtype)
        self._smallest = np.finfo(dtype).tiny

    def descend(self, z: Array, y: Array, weight: Array | None, factor: Array, out: Array) -> float:
        """log sum_k e^(z_k - c) + sum_k y_k log y_k, and p_k - y_k."""
        cross_entropy = super().descend(z, y, weight, factor, out)
        log_y, negative_entropies = self._log_y[: len(y)], self._losses
        np.maximum(y, self._smallest, out=log_y)
        np.log(log_y, out=log_y)
        np.vecdot(y, log_y, out=negative_entropies)
        return cross_entropy + float(np.dot(self._ones if weight is None else weight, negative_entropies))


def smoothed(
    loss: Loss, smoothing: float, choices: int, shape: Shape, batch: int, dtype: np.dtype[np.floating]
) -> Loss:
    """`loss` on targets of which the part `smoothing` is spread over `choices` values; itself if there is none."""
    if smoothing == 0:
        return loss
    return SmoothedLoss(loss, 1 - smoothing, smoothing / choices, shape, batch, dtype)


class SmoothedLoss(Loss):
    """l(z, y') of another loss, with y' = keep y + spread."""

    def __init__(
        self,
        loss: Loss,
        keep: float,
        spread: float,
        shape: Shape,
        batch: int,
        dtype: np.dtype[np.floating],
    ) -> None:
        self._loss, self._keep, self._spread = loss, keep, spread
        super().__init__(shape, batch, dtype)
        self.share = loss.share
        self._targets = np.empty((batch, self._width), dtype)

    def take_rows(self, rows: int) -> None:
        """Also in the loss within."""
        super().take_rows(rows)
        self._loss.take_rows(rows)

    def cost(self, z: Array, y: Array, weight: Array | None) -> float:
        """l(z, y')."""
        return self._loss.cost(z, self._smooth(y), weight)

    def descend(self, z: Array, y: Array, weight: Array | None, factor: Array, out: Array) -> float:
        """l(z, y') and dl(z, y')/dz."""
        return self._loss.descend(z, self._smooth(y), weight, factor, out)

    def _smooth(self, y: Array) -> Array:
        """y'."""
        targets = np.multiply(y, self._keep, out=self._targets[: len(y)])
        targets += self._spread
        return targets
