"""The focal loss, for labels and for classes."""

from typing import ClassVar, Literal

import numpy as np
from pydantic import Field

from engine.arrays import Array, Shape
from engine.layers.activations.base import odds
from engine.losses.base import ElementLoss, Loss, LossSpec, Takes
from engine.losses.classification import check_classes
from engine.spec import InvalidSpec


class FocalSpec(LossSpec):
    """A log loss or cross-entropy that counts rows little where the network is right and sure already.

    Made for a rare class among many easy rows of another.
    """

    tasks: ClassVar[frozenset[str]] = frozenset({"binary", "multiclass", "multilabel"})
    takes: ClassVar[Takes] = "logits"
    formula: ClassVar[str] = (
        r"l = -\frac{1}{n} \sum_j \left(\alpha y_j (1 - p_j)^\gamma \log p_j"
        r" + (1 - \alpha) (1 - y_j) p_j^\gamma \log(1 - p_j)\right), \quad p_j = \sigma(z_j);"
        r" \quad \text{classes: } l = -\sum_k y_k (1 - p_k)^\gamma \log p_k, \ p = \mathrm{softmax}(z)"
    )
    source: ClassVar[str] = "Lin et al. 2017, Focal loss for dense object detection, eq. 4 and 5"

    kind: Literal["focal"] = "focal"
    gamma: float = Field(
        2.0, ge=0, le=10, description="The exponent gamma: how much less sure rows count; 0: all count alike."
    )
    alpha: float | None = Field(
        None,
        gt=0,
        lt=1,
        description="Weight of labels that are 1, those that are 0 have the weight 1 - alpha; not for "
        "several classes. Left out, both have the weight 1.",
    )

    def build(self, shape: Shape, *, batch: int, dtype: np.dtype[np.floating]) -> "Focal":
        """Build for one logit a label, of any shape."""
        return Focal(shape, batch, dtype, self.gamma, self.alpha)

    def build_for_classes(self, shape: Shape, *, batch: int, dtype: np.dtype[np.floating]) -> "FocalClasses":
        """Build for rows of one axis, one logit a class.

        Raises `InvalidSpec` for other rows, and for an alpha, which weighs two classes only.
        """
        check_classes(self.kind, shape)
        if self.alpha is not None:
            raise InvalidSpec(
                "alpha weighs labels that are 1 against those that are 0; with several classes use "
                "class_weights",
                ("alpha",),
            )
        return FocalClasses(shape, batch, dtype, self.gamma)


class Focal(ElementLoss):
    """element = y q^gamma c1 + (1 - y) p^gamma c0; p = sigmoid(z), q = 1 - p, c1 = -log p, c0 = -log q.

    With alpha the two parts have the weights alpha and 1 - alpha. As dp/dz = p q, the slope is
    (1 - y) p^gamma (gamma q c0 + p) - y q^gamma (gamma p c1 + q).
    """

    def __init__(
        self,
        shape: Shape,
        batch: int,
        dtype: np.dtype[np.floating],
        gamma: float,
        alpha: float | None,
    ) -> None:
        super().__init__(shape, batch, dtype)
        self._gamma = gamma
        self._weights = (1.0, 1.0) if alpha is None else (alpha, 1 - alpha)
        self._p, self._q, self._c1, self._c0, self._w1, self._w0 = (
            np.empty_like(self._elements) for _ in range(6)
        )

    def elements(self, z: Array, y: Array, out: Array) -> None:
        """w1 c1 + w0 c0 with w1 = y q^gamma and w0 = (1 - y) p^gamma."""
        p, q, c1, c0 = (array[: len(z)] for array in (self._p, self._q, self._c1, self._c0))
        w1, w0, t = (array[: len(z)] for array in (self._w1, self._w0, self._difference))
        np.log1p(odds(z, out=p), out=c0)
        np.maximum(z, c0, out=c0)
        np.subtract(c0, z, out=c1)
        np.add(p, 1.0, out=q)
        p /= q
        np.reciprocal(q, out=q)

        np.power(q, self._gamma, out=w1)
        w1 *= y
        w1 *= self._weights[0]
        np.subtract(1.0, y, out=t)
        np.power(p, self._gamma, out=w0)
        w0 *= t
        w0 *= self._weights[1]
        np.multiply(w1, c1, out=out)
        np.multiply(w0, c0, out=t)
        out += t

    def slopes(self, z: Array, y: Array, out: Array) -> None:
        """w0 (gamma q c0 + p) - w1 (gamma p c1 + q)."""
        p, q, c1, c0 = (array[: len(z)] for array in (self._p, self._q, self._c1, self._c0))
        t = self._difference[: len(z)]
        np.multiply(p, c1, out=t)
        t *= self._gamma
        t += q
        t *= self._w1[: len(z)]
        np.multiply(q, c0, out=out)
        out *= self._gamma
        out += p
        out *= self._w0[: len(z)]
        out -= t


class FocalClasses(Loss):
    """l = sum_k y_k q_k^gamma c_k with q_k = 1 - p_k and c_k = -log p_k.

    With g_k = p_k dl/dp_k = -y_k q_k^gamma (gamma p_k c_k / q_k + 1) its slope is g_k - p_k sum_i g_i.
    """

    def __init__(self, shape: Shape, batch: int, dtype: np.dtype[np.floating], gamma: float) -> None:
        super().__init__(shape, batch, dtype)
        self._gamma = gamma
        self._smallest = np.finfo(dtype).tiny
        self._column = np.ones((self._width, 1), dtype)
        self._p, self._q, self._c, self._w = (np.empty((batch, self._width), dtype) for _ in range(4))
        self._s = np.empty((batch, 1), dtype)

    def losses(self, z: Array, y: Array, out: Array) -> None:
        """sum_k w_k c_k with w_k = y_k q_k^gamma; p is the softmax of z, as in `CrossEntropy`."""
        p, q, c, w, s = (array[: len(z)] for array in (self._p, self._q, self._c, self._w, self._s))
        np.maximum.reduce(z, axis=1, keepdims=True, out=s)
        np.subtract(z, s, out=c)
        np.exp(c, out=p)
        np.dot(p, self._column, out=s)
        p /= s
        np.log(s, out=s)
        np.subtract(s, c, out=c)
        np.subtract(1.0, p, out=q)
        np.power(q, self._gamma, out=w)
        w *= y
        np.vecdot(w, c, out=out)

    def slopes(self, z: Array, y: Array, out: Array) -> None:
        """g_k - p_k sum_i g_i; where q is 0, so is w, unless gamma is 0."""
        p, q, c, g, total = (array[: len(z)] for array in (self._p, self._q, self._c, self._w, self._s))
        np.maximum(q, self._smallest, out=q)
        c /= q
        c *= p
        c *= -self._gamma
        c -= 1.0
        g *= c
        np.dot(g, self._column, out=total)
        np.multiply(p, total, out=out)
        np.subtract(g, out, out=out)
