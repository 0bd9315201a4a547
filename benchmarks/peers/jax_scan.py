"""JAX: a whole epoch as one compiled scan over the batches, with Adam written out."""

import os

if os.environ["OMP_NUM_THREADS"] == "1":
    os.sched_setaffinity(0, {0})  # XLA takes its number of threads from this, and has no setting of its own

from collections.abc import Callable, Iterator
from functools import partial

import jax
import jax.numpy as jnp
from cases import Case, Part
from jax import lax

Params = list[tuple[jax.Array, ...]]


def network(case: Case) -> tuple[Params, Callable[[Params, jax.Array], jax.Array]]:
    """The parameters, and the function of them and x."""
    key = jax.random.key(0)
    params: Params = []
    shape = (2, *case.in_shape)
    for part in case.parts:
        key, own = jax.random.split(key)
        params.append(_params(part, shape, own))
        shape = jax.eval_shape(partial(_apply, part), params[-1], jnp.zeros(shape)).shape

    def forward(params: Params, x: jax.Array) -> jax.Array:
        for part, own in zip(case.parts, params, strict=True):
            x = _apply(part, own, x)
        return x

    return params, forward


def _params(part: Part, shape: tuple[int, ...], key: jax.Array) -> tuple[jax.Array, ...]:
    match part:
        case ("dense", units):
            return jax.random.normal(key, (shape[1], units)) / shape[1] ** 0.5, jnp.zeros(units)
        case ("conv", filters, kernel, _):
            fan_in = kernel * kernel * shape[3]
            return jax.random.normal(key, (kernel, kernel, shape[3], filters)) / fan_in**0.5, jnp.zeros(
                filters
            )
    return ()


def _apply(part: Part, params: tuple[jax.Array, ...], x: jax.Array) -> jax.Array:
    match part:
        case ("dense", _):
            return x @ params[0] + params[1]
        case ("conv", _, _, padding):
            layout = ("NHWC", "HWIO", "NHWC")
            return (
                lax.conv_general_dilated(x, params[0], (1, 1), padding.upper(), dimension_numbers=layout)
                + params[1]
            )
        case ("relu",):
            return jax.nn.relu(x)
        case ("pool",):
            window = (1, 2, 2, 1)
            return lax.reduce_window(x, -jnp.inf, lax.max, window, window, "VALID")
        case ("flatten",):
            return x.reshape(len(x), -1)
    raise NotImplementedError(part)


def trainer(case: Case) -> Iterator[int]:
    x, y = map(jnp.asarray, case.data())
    params, forward = network(case)

    def loss_of(params: Params, x: jax.Array, y: jax.Array) -> jax.Array:
        output = forward(params, x)
        if case.classes:
            return -jnp.take_along_axis(jax.nn.log_softmax(output), y[:, None], 1).mean()
        return jnp.square(output - y).mean()

    def step(carry: tuple, batch: tuple) -> tuple:
        params, m, v, t = carry
        loss, grads = jax.value_and_grad(loss_of)(params, *batch)
        t += 1
        m = jax.tree.map(lambda m, g: 0.9 * m + 0.1 * g, m, grads)
        v = jax.tree.map(lambda v, g: 0.999 * v + 0.001 * g * g, v, grads)
        rate, scale = 0.001 / (1 - 0.9**t), 1 / (1 - 0.999**t)
        params = jax.tree.map(lambda p, m, v: p - rate * m / (jnp.sqrt(v * scale) + 1e-8), params, m, v)
        return (params, m, v, t), loss

    whole = len(x) // case.batch * case.batch

    @partial(jax.jit, donate_argnums=0)
    def epoch(carry: tuple, key: jax.Array) -> tuple:
        order = jax.random.permutation(key, len(x))[:whole].reshape(-1, case.batch)
        return lax.scan(lambda carry, rows: step(carry, (x[rows], y[rows])), carry, order)

    zeros = jax.tree.map(jnp.zeros_like, params)
    carry = (params, zeros, jax.tree.map(jnp.zeros_like, params), jnp.float32(0))
    key = jax.random.key(1)
    while True:
        key, own = jax.random.split(key)
        carry, losses = epoch(carry, own)
        losses.mean().item()
        yield whole
