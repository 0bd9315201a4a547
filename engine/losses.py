"""Losses: how far a batch of outputs is from its targets, and the gradient of that.

A loss gives each row r a number l_r; a batch costs the weighted mean C = sum_r w_r l_r / sum_r w_r.
Targets have the outputs' shape: classes come as one-hot rows (or as probabilities that sum to 1).
"""

from typing import TYPE_CHECKING, Annotated, ClassVar, Literal, Union

import numpy as np
from pydantic import Field

from engine.arrays import Array, Shape, size
from engine.layers.activations import odds
from engine.spec import InvalidSpec, Spec


class LossSpec(Spec):
    """A spec that builds a loss."""

    kind: str

    tasks: ClassVar[frozenset[str]] = frozenset()
    """The tasks that the loss is for."""
    takes_logits: ClassVar[bool] = False
    """Whether the task's link (sigmoid, softmax) is part of the loss, so that outputs come without it."""

    def build(self, shape: Shape, *, batch: int, dtype: np.dtype[np.floating]) -> "Loss":
        """Build for outputs of `shape` a row and allocate for up to `batch` rows.

        Raises `InvalidSpec` when outputs of that shape do not go with the loss.
        """
        raise NotImplementedError


class Loss:
    """A built loss; it owns its buffers, so it is single-threaded, and allocates nothing in a call.

    A concrete loss defines l_r and its gradient; the weighted mean over the rows is here.
    """

    share = 1.0
    """A constant factor on the gradient that `slopes` leaves out."""

    def __init__(self, shape: Shape, batch: int, dtype: np.dtype[np.floating]) -> None:
        self._width = size(shape)
        self._row_losses = np.empty(batch, dtype)
        self._row_factors = np.empty((batch, 1), dtype)
        self._ones = np.ones(batch, dtype)

    def __call__(self, output: Array, target: Array, weight: Array | None, d_output: Array) -> float:
        """The weighted mean C over the rows; overwrites `d_output` with dC/d(output).

        `output`, `target` and `d_output`: (rows, *shape), C-contiguous, of the loss's dtype, three
        different arrays. `weight`: (rows,), not negative, or None for all ones. Weights that sum to 0
        give the loss 0 and the gradient 0.
        """
        z, y, d = self._flat(output), self._flat(target), self._flat(d_output)
        mean = self.value(z, y, weight)
        self.slopes(z, y, d)
        if weight is None:
            d *= self.share / len(d)
            return mean
        factors = self._row_factors[: len(d)]
        total = self._sum(weight)
        np.multiply(weight[:, None], self.share / total if total else 0.0, out=factors)
        d *= factors
        return mean

    def value(self, output: Array, target: Array, weight: Array | None) -> float:
        """The weighted mean C over the rows, without the gradient."""
        losses = self._row_losses[: len(output)]
        self.losses(self._flat(output), self._flat(target), losses)
        if weight is None:
            return self._sum(losses) / len(losses)
        total = self._sum(weight)
        return float(np.dot(weight, losses)) / total if total else 0.0

    def _flat(self, values: Array) -> Array:
        return values if values.ndim == 2 else values.reshape(-1, self._width)

    def _sum(self, values: Array) -> float:
        return float(np.dot(self._ones[: len(values)], values))

    def losses(self, z: Array, y: Array, out: Array) -> None:
        """Fill `out` (rows,) with l_r for outputs `z` and targets `y`, both (rows, width)."""
        raise NotImplementedError

    def slopes(self, z: Array, y: Array, out: Array) -> None:
        """Fill `out` (rows, width) with dl_r/dz / share; `losses` has just run on the same arrays."""
        raise NotImplementedError


class ElementLoss(Loss):
    """A loss whose l_r is the mean over the row's outputs of a loss of each output."""

    def __init__(self, shape: Shape, batch: int, dtype: np.dtype[np.floating]) -> None:
        super().__init__(shape, batch, dtype)
        self.share = 1 / self._width
        self._column = np.full(self._width, self.share, dtype)  # of 1 / width: the dot with it is the mean
        self._difference = np.empty((batch, self._width), dtype)
        self._elements = np.empty((batch, self._width), dtype)

    def losses(self, z: Array, y: Array, out: Array) -> None:
        """l_r = (1 / width) sum_j element(z_j, y_j)."""
        elements = self._elements[: len(z)]
        self.elements(z, y, elements)
        np.dot(elements, self._column, out=out)

    def elements(self, z: Array, y: Array, out: Array) -> None:
        """Fill `out` (rows, width) with the loss of each output."""
        raise NotImplementedError


NOT_LOGITS = frozenset({"binary", "multiclass", "multilabel", "regression", "autoencoding"})
"""Tasks of a loss on plain differences: on values, or on probabilities that a last layer makes."""


class MseSpec(LossSpec):
    """The mean squared error: large errors count much more than small ones."""

    tasks: ClassVar[frozenset[str]] = NOT_LOGITS
    formula: ClassVar[str] = r"l = \frac{1}{n} \sum_j (a_j - y_j)^2"
    source: ClassVar[str] = (
        "Legendre 1805, Nouvelles méthodes pour la détermination des orbites des comètes; the article's MSE"
    )

    kind: Literal["mse"] = "mse"

    def build(self, shape: Shape, *, batch: int, dtype: np.dtype[np.floating]) -> "Mse":
        """Build for outputs of any shape."""
        return Mse(shape, batch, dtype)


class Mse(ElementLoss):
    """element = (a - y)^2; its slope is 2 (a - y)."""

    def elements(self, z: Array, y: Array, out: Array) -> None:
        """(a - y)^2."""
        np.subtract(z, y, out=self._difference[: len(z)])
        np.square(self._difference[: len(z)], out=out)

    def slopes(self, z: Array, y: Array, out: Array) -> None:
        """2 (a - y)."""
        np.multiply(self._difference[: len(z)], 2.0, out=out)


class MaeSpec(LossSpec):
    """The mean absolute error: outliers count no more than their distance."""

    tasks: ClassVar[frozenset[str]] = NOT_LOGITS
    formula: ClassVar[str] = r"l = \frac{1}{n} \sum_j |a_j - y_j|"
    source: ClassVar[str] = "Boscovich 1757; Koenker & Bassett 1978, Regression quantiles"

    kind: Literal["mae"] = "mae"

    def build(self, shape: Shape, *, batch: int, dtype: np.dtype[np.floating]) -> "Mae":
        """Build for outputs of any shape."""
        return Mae(shape, batch, dtype)


class Mae(ElementLoss):
    """element = |a - y|; its slope is sign(a - y), and 0 at a = y."""

    def elements(self, z: Array, y: Array, out: Array) -> None:
        """|a - y|."""
        np.subtract(z, y, out=self._difference[: len(z)])
        np.abs(self._difference[: len(z)], out=out)

    def slopes(self, z: Array, y: Array, out: Array) -> None:
        """sign(a - y)."""
        np.sign(self._difference[: len(z)], out=out)


class HuberSpec(LossSpec):
    """Squared for small errors and linear for large ones: a compromise between mse and mae."""

    tasks: ClassVar[frozenset[str]] = NOT_LOGITS
    formula: ClassVar[str] = (
        r"l = \frac{1}{n} \sum_j \begin{cases} \frac{1}{2} e_j^2 & |e_j| \le \delta \\"
        r" \delta (|e_j| - \frac{1}{2} \delta) & |e_j| > \delta \end{cases}, \quad e_j = a_j - y_j"
    )
    source: ClassVar[str] = "Huber 1964, Robust estimation of a location parameter"

    kind: Literal["huber"] = "huber"
    delta: float = Field(1.0, gt=0, le=1e6, description="The error delta from which on the loss is linear.")

    def build(self, shape: Shape, *, batch: int, dtype: np.dtype[np.floating]) -> "Huber":
        """Build for outputs of any shape."""
        return Huber(shape, batch, dtype, self.delta)


class Huber(ElementLoss):
    """element = c (e - c / 2) with e = a - y and c = e cut to [-delta, delta]; its slope is c."""

    def __init__(self, shape: Shape, batch: int, dtype: np.dtype[np.floating], delta: float) -> None:
        super().__init__(shape, batch, dtype)
        self._delta = delta
        self._cut = np.empty_like(self._difference)

    def elements(self, z: Array, y: Array, out: Array) -> None:
        """c (e - c / 2): e^2 / 2 inside, delta (|e| - delta / 2) outside."""
        e, c = self._difference[: len(z)], self._cut[: len(z)]
        np.subtract(z, y, out=e)
        np.clip(e, -self._delta, self._delta, out=c)
        np.multiply(c, -0.5, out=out)
        out += e
        out *= c

    def slopes(self, z: Array, y: Array, out: Array) -> None:
        """c."""
        np.copyto(out, self._cut[: len(z)])


class LogLossSpec(LossSpec):
    """The negative log-likelihood of 0/1 targets, one logit each; the sigmoid is part of it."""

    tasks: ClassVar[frozenset[str]] = frozenset({"binary", "multilabel"})
    takes_logits: ClassVar[bool] = True
    formula: ClassVar[str] = (
        r"l = -\frac{1}{n} \sum_j \left(y_j \log p_j + (1 - y_j) \log(1 - p_j)\right)"
        r" = \frac{1}{n} \sum_j \left(\log(1 + e^{z_j}) - z_j y_j\right), \quad p_j = \sigma(z_j)"
    )
    source: ClassVar[str] = "Cox 1958, The regression analysis of binary sequences; the article's log loss"

    kind: Literal["log_loss"] = "log_loss"

    def build(self, shape: Shape, *, batch: int, dtype: np.dtype[np.floating]) -> "LogLoss":
        """Build for logits of any shape."""
        return LogLoss(shape, batch, dtype)


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
    takes_logits: ClassVar[bool] = True
    formula: ClassVar[str] = (
        r"l = -\sum_k y_k \log p_k = \log \sum_k e^{z_k} - \sum_k y_k z_k, \quad p = \mathrm{softmax}(z)"
    )
    source: ClassVar[str] = (
        "Bridle 1990, Probabilistic interpretation of feedforward classification network outputs; "
        "the article's cross-entropy"
    )

    kind: Literal["cross_entropy"] = "cross_entropy"

    def build(self, shape: Shape, *, batch: int, dtype: np.dtype[np.floating]) -> "CrossEntropy":
        """Build for rows of one axis, the classes; raises `InvalidSpec` for other rows."""
        if len(shape) != 1:
            raise InvalidSpec(
                "cross_entropy takes rows of one axis, one logit a class, "
                f"but the outputs have the shape {list(shape)}"
            )
        return CrossEntropy(shape, batch, dtype)


class CrossEntropy(Loss):
    """l = log s - sum_k y_k (z_k - m), with m = max z and s = sum_k e^(z_k - m): nothing overflows."""

    def __init__(self, shape: Shape, batch: int, dtype: np.dtype[np.floating]) -> None:
        super().__init__(shape, batch, dtype)
        self._column = np.ones((self._width, 1), dtype)
        self._e = np.empty((batch, self._width), dtype)
        self._s = np.empty((batch, 1), dtype)
        self._log_s = np.empty(batch, dtype)

    def losses(self, z: Array, y: Array, out: Array) -> None:
        """log s - sum_k y_k (z_k - m)."""
        e, s, log_s = self._e[: len(z)], self._s[: len(z)], self._log_s[: len(z)]
        np.maximum.reduce(z, axis=1, keepdims=True, out=s)
        np.subtract(z, s, out=e)
        np.vecdot(e, y, out=out)
        np.exp(e, out=e)
        np.dot(e, self._column, out=s)
        np.log(s[:, 0], out=log_s)
        np.subtract(log_s, out, out=out)

    def slopes(self, z: Array, y: Array, out: Array) -> None:
        """p_k - y_k with p_k = e^(z_k - m) / s."""
        np.divide(self._e[: len(z)], self._s[: len(z)], out=out)
        out -= y


LOSS_SPECS: tuple[type[LossSpec], ...] = (MseSpec, MaeSpec, HuberSpec, LogLossSpec, CrossEntropySpec)

if TYPE_CHECKING:
    AnyLoss = LossSpec
else:
    AnyLoss = Annotated[Union[LOSS_SPECS], Field(discriminator="kind")]  # noqa: UP007 - built from the tuple
"""Any loss's spec, told apart by `kind`."""
