"""Members: k networks in one, that share most of their weights. Rows are (k, features)."""

from collections.abc import Mapping
from typing import ClassVar, Literal

import numpy as np
from pydantic import Field

from engine.arrays import Array, Shape, size
from engine.layers.base import Layer
from engine.layers.dense import UnitsSpec
from engine.spec import InvalidSpec

TABM = (
    "Gorishniy, Kotelnikov & Babenko 2024, TabM: advancing tabular deep learning with parameter-efficient "
    "ensembling"
)


class BatchEnsembleDenseSpec(UnitsSpec):
    """A dense layer for k members at once, which share W; each has its own factors around it and its own bias."""

    formula: ClassVar[str] = r"y_k = s_k \odot \left((r_k \odot x_k) W\right) + b_k"
    source: ClassVar[str] = f"Wen, Tran & Ba 2020, BatchEnsemble, eq. 5; {TABM}"

    kind: Literal["batch_ensemble_dense"] = "batch_ensemble_dense"
    members: int | None = Field(
        None,
        ge=1,
        le=1024,
        description="Number of members, k. To be given where rows of one axis come in, which all members then take; "
        "rows (k, features) bring it along.",
    )
    r_start: Literal["ones", "signs"] = Field(
        "ones",
        description="How r starts. signs: +1 or -1 at random, for the first such layer, so that the members "
        "differ; ones: 1, for the others.",
    )

    def build(self, in_shape: Shape) -> "BatchEnsembleDense":
        """Build for rows (features,) or (k, features)."""
        units = self.decided_units()
        if len(in_shape) not in {1, 2}:
            raise InvalidSpec(
                f"batch_ensemble_dense takes rows (features,) or (members, features), but {list(in_shape)} comes in"
            )
        members = self.members if len(in_shape) == 1 else in_shape[0]
        if members is None:
            raise InvalidSpec(
                "rows without members come in: say how many members there are to be", ("members",)
            )
        if self.members not in {None, members}:
            raise InvalidSpec(
                f"rows of {members} members come in, not {self.members}; leave the number out",
                ("members",),
            )
        return BatchEnsembleDense(self, in_shape, members, units)


class BatchEnsembleDense(Layer):
    """y_k = ((x_k * r_k) W) * s_k + b_k, with W (inputs, units), r (k, inputs), s and b (k, units).

    The members' rows are one batch to W: (rows, k, inputs) seen as (rows k, inputs).
    """

    decayed = frozenset({"W", "r", "s"})  # the source decays all but biases

    def __init__(self, spec: BatchEnsembleDenseSpec, in_shape: Shape, members: int, units: int) -> None:
        super().__init__(in_shape, (members, units))
        self.spec = spec
        self._members, self._inputs, self._units = members, in_shape[-1], units
        self._shared = len(in_shape) == 1  # all members take the same x
        self.param_shapes = {
            "W": (self._inputs, units),
            "r": (members, self._inputs),
            "s": (members, units),
        } | ({"b": (members, units)} if spec.bias else {})

    def bind(
        self,
        params: Mapping[str, Array],
        grads: Mapping[str, Array],
        state: Mapping[str, Array],
        *,
        batch: int,
        dtype: np.dtype[np.floating],
        rng: np.random.Generator,
    ) -> None:
        """Allocate u = x * r, v = u W, y, du, dx where members share x, and room for products to sum."""
        self._params, self._grads = params, grads
        inputs, units = (batch, self._members, self._inputs), (batch, self._members, self._units)
        self._u, self._du = np.empty(inputs, dtype), np.empty(inputs, dtype)
        self._v, self._y = np.empty(units, dtype), np.empty(units, dtype)
        self._dx = np.empty((batch, self._inputs), dtype) if self._shared else self._du
        self._products = np.empty(max(self._u.size, self._v.size), dtype)
        self._ones = np.ones(batch, dtype)

    def init(self, rng: np.random.Generator, x: Array | None = None) -> None:
        """Draw W and b; r = 1, or +-1 at random; s = 1."""
        fans = self._inputs, self._units
        self.spec.weight_start.fill(self._params["W"], *fans, rng)
        r = self._params["r"]
        r[:] = 1 if self.spec.r_start == "ones" else rng.choice([-1.0, 1.0], r.shape)
        self._params["s"].fill(1)
        if self.spec.bias:
            self.spec.bias_initializer.fill(self._params["b"], *fans, rng)

    def forward(self, x: Array, train: bool) -> Array:
        """u_k = x_k * r_k; v_k = u_k W; y_k = v_k * s_k + b_k."""
        self._x = x[:, None] if self._shared else x
        u, v, y = self._u[: len(x)], self._v[: len(x)], self._y[: len(x)]
        np.multiply(self._x, self._params["r"], out=u)
        np.dot(u.reshape(-1, self._inputs), self._params["W"], out=v.reshape(-1, self._units))
        np.multiply(v, self._params["s"], out=y)
        if self.spec.bias:
            y += self._params["b"]
        return y

    def backward(self, dy: Array) -> Array:
        """db_k = sum dy_k; ds_k = sum dy_k * v_k; dv_k = dy_k * s_k; dW = sum u_k^T dv_k;
        du_k = dv_k W^T; dr_k = sum du_k * x_k; dx_k = du_k * r_k, and their sum where members share x."""
        rows, params, grads = slice(len(dy)), self._params, self._grads
        u, du, dx = self._u[rows], self._du[rows], self._dx[rows]
        if self.spec.bias:
            self._sum(dy, out=grads["b"])
        self._sum(np.multiply(dy, self._v[rows], out=self._room(dy)), out=grads["s"])
        dy *= params["s"]
        dv = dy.reshape(-1, self._units)
        np.dot(u.reshape(-1, self._inputs).T, dv, out=grads["W"])
        np.dot(dv, params["W"].T, out=du.reshape(-1, self._inputs))
        self._sum(np.multiply(du, self._x, out=self._room(du)), out=grads["r"])
        if self.input_gradient:
            du *= params["r"]
            if self._shared:
                np.add.reduce(du, axis=1, out=dx)
        return dx

    def _room(self, like: Array) -> Array:
        return self._products[: like.size].reshape(like.shape)

    def _sum(self, values: Array, out: Array) -> None:
        """Sum (rows, k, n) over the rows."""
        np.dot(self._ones[: len(values)], values.reshape(len(values), -1), out=out.reshape(-1))

    def buffer_values(self) -> int:
        """u and du, v and y, the products, dx where members share x, and the row of ones."""
        inputs, units = self._members * self._inputs, size(self.out_shape)
        return 2 * (inputs + units) + max(inputs, units) + self._shared * self._inputs + 1

    def multiply_adds(self) -> int:
        """W for each member, and the factors."""
        return self._members * (self._inputs * self._units + self._inputs + self._units)
