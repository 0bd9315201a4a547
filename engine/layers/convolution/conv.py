"""Convolutions: every output is the same weighted sum, over a window of its own."""

from collections.abc import Mapping
from typing import ClassVar, Literal

import numpy as np
from pydantic import Field

from engine.arrays import Array, Shape
from engine.layers.axes import check_images, check_series
from engine.layers.base import Layer, WeightedSpec
from engine.layers.convolution.base import Geometry
from engine.layers.convolution.choice import convolution
from engine.layers.images.sliding import Axis, Margins, Margins2d, Pair, Rule, Side
from engine.spec import InvalidSpec

SAME = "same: as many zeros around as make input / stride outputs, rounded up, the odd one at the end; valid: none"


class ConvSpec(WeightedSpec):
    """What convolutions have in common."""

    filters: int = Field(ge=1, le=65_536, description="Number of kernels: the channels of the output.")
    groups: int = Field(
        1,
        ge=1,
        le=65_536,
        description="Into how many equal parts the channels and the filters are cut; a filter sees the channels of "
        "its own part. As many as there are channels: depthwise.",
    )
    bias: bool = Field(True, description="Whether b is there at all.")

    def check_groups(self, channels: int) -> None:
        """Raises `InvalidSpec` where channels or filters cannot be cut into as many parts."""
        if channels % self.groups:
            raise InvalidSpec(
                f"{channels} channels cannot be cut into {self.groups} equal groups", ("groups",)
            )
        if self.filters % self.groups:
            raise InvalidSpec(
                f"{self.filters} filters cannot be cut into {self.groups} equal groups", ("filters",)
            )


class Conv1dSpec(ConvSpec):
    """Slides kernels along a series of steps: every output is a weighted sum of some neighbouring steps."""

    formula: ClassVar[str] = r"y_{o f} = b_f + \sum_{i, c} w_{i c f} \, x_{o s + i d - p, \, c}"
    source: ClassVar[str] = "Waibel et al. 1989, Phoneme recognition using time-delay neural networks"

    kind: Literal["conv1d"] = "conv1d"
    kernel_size: Side = Field(3, description="Steps that the kernel sees.")
    stride: Side = Field(1, description="Steps from output to output, s.")
    padding: Rule | Margins = Field(
        "valid", description=f"{SAME}; or zeros (before, after), one number: both."
    )
    dilation: Side = Field(1, description="Steps from one place of the kernel to the next, d.")

    def build(self, in_shape: Shape) -> "Conv":
        """Build for series (steps, features); raises `InvalidSpec` where the kernel or the groups do not fit."""
        check_series(self.kind, in_shape)
        steps, features = in_shape
        self.check_groups(features)
        along = Axis.padded(steps, self.kernel_size, self.stride, self.dilation, self.padding)
        # As an image one pixel wide: chunks of rows are then chunks of steps.
        geometry = Geometry(along, Axis(size=1, kernel=1), features, self.filters, self.groups)
        shapes = (self.kernel_size, features // self.groups, self.filters)
        return Conv(self, geometry, in_shape, (along.outputs, self.filters), shapes)


class Conv2dSpec(ConvSpec):
    """Slides kernels over an image: every output is a weighted sum of the channels of neighbouring pixels."""

    formula: ClassVar[str] = (
        r"y_{o p f} = b_f + \sum_{i, j, c} w_{i j c f} \, x_{o s + i d - t, \, p s + j d - l, \, c}"
    )
    source: ClassVar[str] = (
        "LeCun et al. 1989, Backpropagation applied to handwritten zip code recognition; groups: Krizhevsky et al. "
        "2012, ImageNet classification, section 3.5; dilation: Yu & Koltun 2016, Multi-scale context aggregation"
    )

    kind: Literal["conv2d"] = "conv2d"
    kernel_size: Pair = Field((3, 3), description="Height and width of the kernel; one number: both.")
    stride: Pair = Field(
        (1, 1), description="Pixels from output to output, down and to the right; one number: both."
    )
    padding: Rule | Margins2d = Field(
        "valid",
        description=f"{SAME}; or zeros ((top, bottom), (left, right)); a pair: (top and bottom, left and right); "
        "one number: all four.",
    )
    dilation: Pair = Field(
        (1, 1),
        description="Pixels from one place of the kernel to the next, down and to the right; one number: both.",
    )

    def build(self, in_shape: Shape) -> "Conv":
        """Build for images (H, W, C); raises `InvalidSpec` where the kernel or the groups do not fit."""
        check_images(self.kind, in_shape)
        self.check_groups(in_shape[2])
        paddings = (self.padding,) * 2 if isinstance(self.padding, str) else self.padding
        down, along = (
            Axis.padded(*numbers)
            for numbers in zip(
                in_shape[:2], self.kernel_size, self.stride, self.dilation, paddings, strict=True
            )
        )
        geometry = Geometry(down, along, in_shape[2], self.filters, self.groups)
        return Conv(self, geometry, in_shape, geometry.out_shape, geometry.weight_shape)


class Conv(Layer):
    """y = W * x + b, with W (kh, kw, C / groups, F), of a series (k, C / groups, F); see `base`."""

    def __init__(
        self, spec: ConvSpec, geometry: Geometry, in_shape: Shape, out_shape: Shape, weight_shape: Shape
    ) -> None:
        super().__init__(in_shape, out_shape)
        self.spec = spec
        self.param_shapes = {"W": weight_shape} | ({"b": (spec.filters,)} if spec.bias else {})
        self.geometry = geometry
        self._convolution = convolution(geometry)

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
        """Allocate y, dx and the convolution's workspaces."""
        self._W, self._dW = (arrays["W"].reshape(self.geometry.weight_shape) for arrays in (params, grads))
        self._b, self._db = params.get("b"), grads.get("b")
        self._y = np.empty((batch, *self.out_shape), dtype)
        self._dx = np.empty((batch, *self.in_shape), dtype)
        self._convolution.allocate(dtype)

    def init(self, rng: np.random.Generator, x: Array | None = None) -> None:
        """Draw W and b."""
        fan_in, fan_out = self.fans()
        self.spec.weight_start.fill(self._W, fan_in, fan_out, rng)
        if self._b is not None:
            self.spec.bias_initializer.fill(self._b, fan_in, fan_out, rng)

    def fans(self) -> tuple[int, int]:
        """The inputs of an output, and the outputs of an input: those of a group, for all places of the kernel."""
        kh, kw, channels, filters = self.geometry.weight_shape
        return kh * kw * channels, kh * kw * filters // self.geometry.groups

    def forward(self, x: Array, train: bool) -> Array:
        """y = W * x + b."""
        self._x = self._images(x)
        y = self._y[: len(x)]
        self._convolution.forward(self._x, self._W, self._b, self._maps(y))
        return y

    def backward(self, dy: Array) -> Array:
        """dC/dW and dC/db, and dC/dx where it is read."""
        maps, dx = self._maps(dy), self._dx[: len(dy)]
        self._convolution.weight_gradient(self._x, maps, self._dW, self._db)
        if self.input_gradient:
            self._convolution.input_gradient(maps, self._W, self._images(dx))
        return dx

    def _images(self, x: Array) -> Array:
        return x.reshape(len(x), *self.geometry.in_shape)

    def _maps(self, y: Array) -> Array:
        return y.reshape(len(y), *self.geometry.out_shape)

    def multiply_adds(self) -> int:
        """Those of the formula, even where fewer are needed."""
        return self.geometry.multiply_adds

    def fixed_values(self) -> int:
        """The convolution's workspaces."""
        return self._convolution.workspace_values()
