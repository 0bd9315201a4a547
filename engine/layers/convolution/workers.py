"""A convolution on several cores: each worker computes some of the images, with workspaces of its own.

BLAS uses several threads within one product of matrices. A convolution is many small products and as much work
besides; its images have nothing to do with each other, and NumPy lets other threads run while it computes. So
while workers compute, BLAS has one thread for each of them. How many workers there are is what BLAS may use when
the layer is built: one number for a job decides both, and so the bits.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from os import cpu_count
from threading import Lock

import numpy as np
from threadpoolctl import ThreadpoolController

from engine.arrays import Array, size
from engine.layers.convolution.base import Convolution, Geometry, short_buffers

BLAS = ThreadpoolController()
POOL = ThreadPoolExecutor(max(1, (cpu_count() or 1) - 1), thread_name_prefix="convolution")
"""The threads of all workers but the first; they start with the first work that there is for them."""
SHARING = Lock()
"""One convolution at a time has the cores and the say over BLAS's threads."""
WORTHWHILE = 4_000_000
"""Multiply-adds from which on it pays to share them: some 0.2 ms of work."""


def blas_threads() -> int:
    """How many threads BLAS may use now."""
    return max((library["num_threads"] for library in BLAS.select(user_api="blas").info()), default=1)


class Workers(Convolution):
    """Several equal convolutions that share the images of a batch."""

    def __init__(self, geometry: Geometry, workers: Sequence[Convolution]) -> None:
        super().__init__(geometry)
        self._workers = workers

    def workspace_values(self) -> int:
        """All workers', and the weights' gradients of all but the first."""
        gradients = size(self.geometry.weight_shape) + self.geometry.filters
        own = sum(worker.workspace_values() for worker in self._workers)
        return own + (len(self._workers) - 1) * gradients

    def allocate(self, dtype: np.dtype[np.floating]) -> None:
        """Make all workers' workspaces."""
        for worker in self._workers:
            worker.allocate(dtype)
        others = len(self._workers) - 1
        self._d_weights = np.empty((others, *self.geometry.weight_shape), dtype)
        self._d_bias = np.empty((others, self.geometry.filters), dtype)

    def forward(self, x: Array, weights: Array, bias: Array | None, y: Array) -> None:
        """Each worker fills its images' y."""
        self._share(len(x), lambda _, worker, part: worker.forward(x[part], weights, bias, y[part]))

    def weight_gradient(self, x: Array, dy: Array, d_weights: Array, d_bias: Array | None) -> None:
        """The sum of the workers' gradients, in their order."""

        def gradient(number: int, worker: Convolution, part: slice) -> None:
            mine = self._d_weights[number - 1] if number else d_weights
            bias = self._d_bias[number - 1] if number and d_bias is not None else d_bias
            worker.weight_gradient(x[part], dy[part], mine, bias)

        for number in range(1, self._share(len(x), gradient)):
            d_weights += self._d_weights[number - 1]
            if d_bias is not None:
                d_bias += self._d_bias[number - 1]

    def input_gradient(self, dy: Array, weights: Array, dx: Array) -> None:
        """Each worker fills its images' dC/dx."""
        self._share(len(dy), lambda _, worker, part: worker.input_gradient(dy[part], weights, dx[part]))

    def _share(self, images: int, work: Callable[[int, Convolution, slice], None]) -> int:
        """Do `work` (a worker's number, itself, its images) for all images; how many workers took part."""
        count = min(len(self._workers), images)
        if images * self.geometry.multiply_adds < WORTHWHILE or count == 1:
            with short_buffers():
                work(0, self._workers[0], slice(0, images))
            return 1

        def task(number: int) -> None:
            with short_buffers():  # a setting of the thread
                work(
                    number,
                    self._workers[number],
                    slice(images * number // count, images * (number + 1) // count),
                )

        with SHARING, BLAS.limit(limits=1, user_api="blas"):
            others = [POOL.submit(task, number) for number in range(1, count)]
            try:
                task(0)
            finally:
                errors = [other.exception() for other in others]  # which waits for it
        for error in filter(None, errors):
            raise error
        return count
