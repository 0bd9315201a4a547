"""Which way to compute a convolution is the quickest for its shape."""

from engine.layers.convolution.base import Convolution, Geometry
from engine.layers.convolution.depthwise import Depthwise
from engine.layers.convolution.im2col import Im2col
from engine.layers.convolution.winograd import Winograd
from engine.layers.convolution.workers import Workers, blas_threads

LEAST_DEPTH = 8
"""Channels and filters from which on the transforms of Winograd's form cost less than they spare."""
LEAST_SIDE = 4
"""Rows and columns of outputs from which on it is worth it that its tiles make two by two."""
WIDE_ENOUGH = 40
"""Columns of a product of matrices from which on it is quick."""
WIDEST_WINDOW = 2.5
"""Of a window that neighbours share, as a multiple of the kernel: what is beside the kernel is multiplied by 0."""


def convolution(geometry: Geometry) -> Convolution:
    """The quickest way for `geometry` on as many cores as BLAS may use now; allocates nothing."""
    return Workers(geometry, [way(geometry) for _ in range(blas_threads())])


def way(geometry: Geometry) -> Convolution:
    """The quickest way for `geometry` on one core."""
    if winograd_applies(geometry) and min(geometry.channels, geometry.filters) >= LEAST_DEPTH:
        return Winograd(geometry)
    if geometry.groups == geometry.channels > 1:
        return Depthwise(geometry)
    return Im2col(geometry, _block(geometry))


def winograd_applies(geometry: Geometry) -> bool:
    """Whether this is a 3 x 3 convolution of stride 1, and not of too small an image."""
    axes = (geometry.down, geometry.along)
    return geometry.groups == 1 and all(
        (axis.kernel, axis.stride, axis.dilation) == (3, 1, 1) and axis.outputs >= LEAST_SIDE for axis in axes
    )


def _block(geometry: Geometry) -> int:
    """How many neighbouring outputs share a window: 1, unless the filters are few."""
    along = geometry.along
    if geometry.groups > 1 or along.dilation > 1:
        return 1
    block = 1
    for more in range(2, min(along.outputs, WIDE_ENOUGH) + 1):
        if block * geometry.filters >= WIDE_ENOUGH:
            break
        if along.outputs % more == 0 and (more - 1) * along.stride <= (WIDEST_WINDOW - 1) * along.kernel:
            block = more
    return block
