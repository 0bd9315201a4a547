"""The transposed convolution: from every input a patch of outputs, added up where patches overlap."""

from collections.abc import Mapping
from typing import ClassVar, Literal

import numpy as np
from pydantic import Field

from engine.arrays import Array, Shape, size
from engine.layers.axes import check_images
from engine.layers.convolution.base import Geometry
from engine.layers.convolution.conv import Conv, ConvSpec
from engine.layers.images.sliding import Axis, Margin, Margins2d, Pair, Rule
from engine.spec import InvalidSpec


class TransposedConv2dSpec(ConvSpec):
    """Enlarges an image: every pixel puts a weighted copy of the kernel into the output, where copies add up.

    It is the transpose of the conv2d with the same fields: what that makes of the output's shape is the input's.
    """

    formula: ClassVar[str] = (
        r"y_{o p f} = b_f + \sum_{o' s + i d - t = o} \ \sum_{p' s + j d - l = p} \ \sum_c w_{i j f c} \, x_{o' p' c}"
    )
    source: ClassVar[str] = (
        "Zeiler et al. 2010, Deconvolutional networks; Dumoulin & Visin 2016, A guide to convolution arithmetic for "
        "deep learning, section 4"
    )

    kind: Literal["transposed_conv2d"] = "transposed_conv2d"
    kernel_size: Pair = Field((3, 3), description="Height and width of the kernel; one number: both.")
    stride: Pair = Field(
        (1, 1), description="Pixels from copy to copy in the output, down and to the right; one number: both."
    )
    padding: Rule | Margins2d = Field(
        "valid",
        description="What is cut off the output. same: so that it is stride times the input; valid: nothing; or "
        "pixels ((top, bottom), (left, right)); a pair: (top and bottom, left and right); one number: all four.",
    )
    dilation: Pair = Field(
        (1, 1),
        description="Pixels from one place of the kernel to the next, down and to the right; one number: both.",
    )
    output_padding: tuple[Margin, Margin] = Field(
        (0, 0),
        description="Pixels added at the bottom and at the right, each less than the stride; not with padding same.",
    )

    def build(self, in_shape: Shape) -> "TransposedConv":
        """Build for images (H, W, C); raises `InvalidSpec` where the fields do not fit each other or the image."""
        check_images(self.kind, in_shape)
        self.check_groups(in_shape[2])
        down, along = (self._axis(axis, in_shape[axis]) for axis in (0, 1))
        geometry = Geometry(down, along, self.filters, in_shape[2], self.groups)
        return TransposedConv(self, geometry, geometry.out_shape, geometry.in_shape, geometry.weight_shape)

    def _axis(self, axis: int, outputs: int) -> Axis:
        """The axis of the output, along which conv2d takes `outputs` places."""
        kernel, stride, dilation = self.kernel_size[axis], self.stride[axis], self.dilation[axis]
        extra = self.output_padding[axis]
        if self.padding == "same":
            if extra:
                raise InvalidSpec("with the padding same, the output has no other size", ("output_padding",))
            return Axis.padded(outputs * stride, kernel, stride, dilation, "same")
        if extra >= stride:
            raise InvalidSpec(f"{extra} must be less than the stride, {stride}", ("output_padding",))
        before, after = (0, 0) if self.padding == "valid" else self.padding[axis]
        reach = Axis(size=0, kernel=kernel, dilation=dilation).reach
        height = (outputs - 1) * stride + reach - before - after + extra
        if height < 1:
            raise InvalidSpec(f"a padding of {before + after} leaves nothing of the output", ("padding",))
        return Axis(height, kernel, stride, dilation, before, after)


class TransposedConv(Conv):
    """y = W^T * x + b, with W (kh, kw, F / groups, C) as of the conv2d that maps y to x."""

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
        """Allocate also the bias of a row of outputs, and the ones that sum db."""
        super().bind(params, grads, state, batch=batch, dtype=dtype, rng=rng)
        height, *row = self.out_shape
        self._row = np.empty(row, dtype)
        self._ones = np.ones(batch * height, dtype)

    def forward(self, x: Array, train: bool) -> Array:
        """y = W^T * x + b: what is the input's gradient of conv2d."""
        self._x = x
        y = self._y[: len(x)]
        self._convolution.input_gradient(x, self._W, y)
        if self._b is not None:
            np.copyto(self._row, self._b)  # repeated along a row: one long sum in place of many short ones
            y += self._row
        return y

    def backward(self, dy: Array) -> Array:
        """dC/dW: the weights' gradient of conv2d from dy to x; dC/db = sum of dy; dC/dx = W * dy."""
        self._convolution.weight_gradient(dy, self._x, self._dW, None)
        if self._db is not None:
            rows = dy.reshape(-1, self._row.size)
            np.dot(self._ones[: len(rows)], rows, out=self._row.reshape(-1))
            np.add.reduce(self._row, axis=0, out=self._db)
        dx = self._dx[: len(dy)]
        if self.input_gradient:
            self._convolution.forward(dy, self._W, None, dx)
        return dx

    def fans(self) -> tuple[int, int]:
        """The kernel's places times the channels, and times the filters, of a group."""
        return super().fans()[::-1]

    def buffer_values(self) -> int:
        """Also the ones."""
        return super().buffer_values() + self.out_shape[0]

    def fixed_values(self) -> int:
        """Also the bias of a row."""
        return super().fixed_values() + size(self.out_shape[1:])
