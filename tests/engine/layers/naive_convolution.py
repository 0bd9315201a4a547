"""A convolution and its gradients as loops over the places of output and kernel, written from the formula."""

from collections.abc import Iterator

import numpy as np

from engine.arrays import Array
from engine.layers.convolution.base import Geometry


def forward(geometry: Geometry, x: Array, weights: Array, bias: Array) -> Array:
    y = np.broadcast_to(bias, (len(x), *geometry.out_shape)).copy()
    for o, p, i, j, row, column in _places(geometry):
        for channels, filters in _groups(geometry):
            y[:, o, p, filters] += x[:, row, column, channels] @ weights[i, j, :, filters]
    return y


def gradients(geometry: Geometry, x: Array, weights: Array, dy: Array) -> tuple[Array, Array, Array]:
    """dC/dW, dC/db, dC/dx."""
    d_weights, dx = np.zeros_like(weights), np.zeros_like(x)
    for o, p, i, j, row, column in _places(geometry):
        for channels, filters in _groups(geometry):
            d_weights[i, j, :, filters] += x[:, row, column, channels].T @ dy[:, o, p, filters]
            dx[:, row, column, channels] += dy[:, o, p, filters] @ weights[i, j, :, filters].T
    return d_weights, dy.sum((0, 1, 2)), dx


def _places(geometry: Geometry) -> Iterator[tuple[int, int, int, int, int, int]]:
    """Each place of output and of kernel, and the pixel that they meet at, unless that is a zero around the image."""
    down, along = geometry.down, geometry.along
    for o, p, i, j in np.ndindex(down.outputs, along.outputs, down.kernel, along.kernel):
        row = o * down.stride + i * down.dilation - down.before
        column = p * along.stride + j * along.dilation - along.before
        if 0 <= row < down.size and 0 <= column < along.size:
            yield o, p, i, j, row, column


def _groups(geometry: Geometry) -> list[tuple[slice, slice]]:
    """The channels and the filters of each group."""
    channels, filters = geometry.channels // geometry.groups, geometry.filters // geometry.groups
    return [
        (slice(g * channels, (g + 1) * channels), slice(g * filters, (g + 1) * filters))
        for g in range(geometry.groups)
    ]
