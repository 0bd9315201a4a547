"""Attention: every step of a series looks at the others, and takes from those that suit it."""

from collections.abc import Mapping
from typing import ClassVar, Literal

import numpy as np
from pydantic import Field, PositiveInt

from engine.arrays import Array, Shape
from engine.initializers import AnyInitializer, GlorotUniformSpec
from engine.layers.attention.step_dense import StepDense
from engine.layers.base import Layer, WeightedSpec
from engine.layers.recurrent.masking import SeriesSpec, StepMask
from engine.spec import InvalidSpec

HIDDEN = -1e30
"""Added to the score of padding: far below any score, yet finite, since a series may be nothing but padding."""


class AttentionSpec(SeriesSpec):
    """What layers with self-attention are asked for."""

    heads: PositiveInt = Field(
        4, description="Number of heads, each with queries, keys and values of its own."
    )
    key_dimension: PositiveInt | None = Field(
        None,
        description="Length of the queries, keys and values of one head; left out: the number of features "
        "divided by the number of heads.",
    )
    causal: bool = Field(False, description="Whether a step sees only itself and the steps before it.")

    def head_size(self, features: int) -> int:
        """The key dimension; raises `InvalidSpec` where it is left out and the heads do not divide `features`."""
        if self.key_dimension is None and features % self.heads:
            raise InvalidSpec(
                f"{features} features cannot be divided among {self.heads} heads; the number of heads must "
                "divide the number of features, or key_dimension be given",
                ("heads",),
            )
        return self.key_dimension or features // self.heads


class MultiHeadAttentionSpec(AttentionSpec, WeightedSpec):
    """Self-attention: each step becomes a mixture of all steps, weighted by how its query suits their keys.

    Without a positional encoding before it, it does not know the order of the steps.
    """

    initializer_before: ClassVar[AnyInitializer | None] = GlorotUniformSpec()
    formula: ClassVar[str] = (
        r"y = [\mathrm{head}_1, \dots, \mathrm{head}_H] W_o + b_o, \quad \mathrm{head}_h ="
        r" \mathrm{softmax}\left(\frac{Q_h K_h^\top}{\sqrt{d}}\right) V_h, \quad [Q, K, V] = x W + b"
    )
    source: ClassVar[str] = "Vaswani et al. 2017, Attention is all you need, eq. 1 and section 3.2.2"

    kind: Literal["multi_head_attention"] = "multi_head_attention"
    bias: bool = Field(True, description="Whether b and b_o are there at all.")

    def build(self, in_shape: Shape) -> "MultiHeadAttention":
        """Build for a series; raises `InvalidSpec` for other rows or where the heads do not divide the features."""
        self.check(in_shape)
        return MultiHeadAttention(self, in_shape, self.mask(in_shape))


class MultiHeadAttention(Layer):
    """softmax(Q K^T / sqrt(d)) V for each head, then all heads through W_o.

    W (features, 3 * heads * d) holds the columns of the queries of all heads, then of the keys, then of the
    values; W_o is (heads * d, features).
    """

    decayed = frozenset({"W", "W_o"})

    def __init__(self, spec: MultiHeadAttentionSpec, shape: Shape, mask: StepMask | None) -> None:
        super().__init__(shape, shape)
        self.spec = spec
        self.mask = mask
        self.finds_mask = True
        """False where someone else has found the padding before `forward`."""
        self._steps, features = shape
        self._head_size = spec.head_size(features)
        self._inner = spec.heads * self._head_size
        start, bias_start = spec.weight_start, spec.bias_initializer if spec.bias else None
        self._split = StepDense(shape, 3 * self._inner, start=start, bias_start=bias_start, parts=3)
        self._merge = StepDense((self._steps, self._inner), features, start=start, bias_start=bias_start)
        self.param_shapes = {
            **self._split.param_shapes,
            **{f"{name}_o": shape for name, shape in self._merge.param_shapes.items()},
        }

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
        """Allocate the attention and what the heads make of it, their gradients, and that of Q, K and V."""
        steps, heads, d = self._steps, self.spec.heads, self._head_size
        self._split.bind(params, grads, state, batch=batch, dtype=dtype, rng=rng)
        of_merge, d_of_merge = (
            {name: arrays[f"{name}_o"] for name in self._merge.param_shapes} for arrays in (params, grads)
        )
        self._merge.bind(of_merge, d_of_merge, state, batch=batch, dtype=dtype, rng=rng)
        self._attention, self._dscores = (np.empty((batch, heads, steps, steps), dtype) for _ in range(2))
        self._of_query = np.empty((batch, heads, steps, 1), dtype)
        self._heads = np.empty((batch, steps, heads, d), dtype)
        self._dqkv = np.empty((batch, steps, 3 * self._inner), dtype)
        self._ones = np.ones(steps, dtype)
        if self.spec.causal:
            self._future = np.triu(np.full((steps, steps), -np.inf, dtype), 1)
        if self.mask:
            self.mask.bind(batch)
            self._hidden = np.empty((batch, 1, 1, steps), dtype)

    def init(self, rng: np.random.Generator, x: Array | None = None) -> None:
        """Draw W, the queries', keys' and values' part each by itself, W_o and the biases."""
        self._split.init(rng)
        self._merge.init(rng)

    def skip_input_gradient(self) -> None:
        """Nobody reads the gradient that Q, K and V give to x."""
        super().skip_input_gradient()
        self._split.skip_input_gradient()

    def forward(self, x: Array, train: bool) -> Array:
        """[Q, K, V] = x W + b; A = softmax(Q K^T / sqrt(d)); y = [A_h V_h] W_o + b_o."""
        rows = len(x)
        attention, heads = self._attention[:rows], self._heads[:rows]
        self._qkv = self._split.forward(x, train)
        q, k, v = self._by_head(self._qkv)
        q *= self._head_size**-0.5
        np.matmul(q, k.swapaxes(-1, -2), out=attention)
        self._hide(x, attention)
        self._softmax(attention)
        np.matmul(attention, v, out=heads.swapaxes(1, 2))
        y = self._merge.forward(heads.reshape(rows, self._steps, self._inner), train)
        if self.mask:
            self.mask.restore(y)
        return y

    def backward(self, dy: Array) -> Array:
        """dS = A (dA - sum_k A_k dA_k) with dA = dH V^T; dQ = dS K / sqrt(d); dK = dS^T Q / sqrt(d); dV = A^T dH.

        sum_k A_k dA_k is, shorter, H dH^T for each query: Dao et al. 2022, FlashAttention, appendix B.2.
        """
        rows = len(dy)
        attention, ds, of_query = self._attention[:rows], self._dscores[:rows], self._of_query[:rows]
        heads, dqkv = self._heads[:rows], self._dqkv[:rows]
        if self.mask:
            self.mask.silence(dy)
        dh = self._merge.backward(dy).reshape(heads.shape).swapaxes(1, 2)
        (q, k, v), (dq, dk, dv) = self._by_head(self._qkv), self._by_head(dqkv)
        np.matmul(attention.swapaxes(-1, -2), dh, out=dv)
        np.matmul(dh, v.swapaxes(-1, -2), out=ds)
        np.vecdot(dh, heads.swapaxes(1, 2), out=of_query[..., 0])
        ds -= of_query
        ds *= attention
        np.matmul(ds, k, out=dq)
        dq *= self._head_size**-0.5
        np.matmul(ds.swapaxes(-1, -2), q, out=dk)  # q holds Q / sqrt(d)
        return self._split.backward(dqkv)

    def _by_head(self, qkv: Array) -> Array:
        """Q, K and V, (3, rows, heads, steps, d): views of (rows, steps, 3 * heads * d) that BLAS takes as they are."""
        heads, d = self.spec.heads, self._head_size
        return qkv.reshape(len(qkv), self._steps, 3, heads, d).transpose(2, 0, 3, 1, 4)

    def _hide(self, x: Array, scores: Array) -> None:
        """Lower the scores of steps that must not be seen, so that their softmax is 0."""
        if self.spec.causal:
            scores += self._future
        if self.mask:
            if self.finds_mask:
                self.mask.find(x)
            hidden = self._hidden[: len(x)]
            hidden.fill(0)
            np.copyto(hidden, HIDDEN, where=self.mask.padded.reshape(hidden.shape))
            scores += hidden

    def _softmax(self, scores: Array) -> None:
        """a_k = e^(s_k - max s) / sum e^(s - max s) over the last axis, in place."""
        of_query = self._of_query[: len(scores)]
        np.maximum.reduce(scores, axis=-1, keepdims=True, out=of_query)
        scores -= of_query
        np.exp(scores, out=scores)
        np.matmul(scores, self._ones, out=of_query[..., 0])
        scores /= of_query

    def buffer_values(self) -> int:
        """The inner layers' and, besides, what `bind` allocates for a row."""
        steps, heads = self._steps, self.spec.heads
        values = self._split.buffer_values() + self._merge.buffer_values()
        values += heads * steps * (2 * steps + 1) + 4 * steps * self._inner
        return values + (self.mask.buffer_values() + steps if self.mask else 0)

    def fixed_values(self) -> int:
        """The ones, and what hides the future."""
        return self._steps + (self._steps**2 if self.spec.causal else 0)

    def multiply_adds(self) -> int:
        """The inner layers', and two products of steps by steps in each head."""
        inner_layers = self._split.multiply_adds() + self._merge.multiply_adds()
        return inner_layers + 2 * self._steps**2 * self._inner
