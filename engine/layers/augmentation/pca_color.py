"""AlexNet's change of colours, along the principal components of RGB."""

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal

import numpy as np
from pydantic import Field

from engine.arrays import Array, Shape, size
from engine.layers.axes import check_images
from engine.layers.base import Layer, LayerSpec
from engine.spec import InvalidSpec

Variance = Annotated[float, Field(ge=0, le=1e12)]
Cosine = Annotated[float, Field(ge=-1, le=1)]
Triple = tuple[Cosine, Cosine, Cosine]
IMAGENET_EIGENVALUES = (0.2175, 0.0188, 0.0045)  # of colours between 0 and 1
IMAGENET_EIGENVECTORS = (
    (-0.5675, -0.5808, -0.5836),
    (0.7192, -0.0045, -0.6948),
    (0.4009, -0.8140, 0.4203),
)


class PcaColorSpec(LayerSpec):
    """Adds the same small colour to every pixel of an image while training, another one at each look.

    The colour is a random multiple of each principal component of the colours of all images: objects
    stay what they are when the light changes its strength and colour.
    """

    formula: ClassVar[str] = (
        r"y_{ijc} = x_{ijc} + \sum_k \alpha_k \lambda_k p_{kc}, \quad \alpha_k \sim \mathcal{N}(0, \sigma^2)"
    )
    source: ClassVar[str] = (
        "Krizhevsky, Sutskever & Hinton 2012, ImageNet classification with deep convolutional neural "
        "networks, section 4.1"
    )

    kind: Literal["pca_color"] = "pca_color"
    std: float = Field(0.1, ge=0, le=1e6, description="The standard deviation sigma of the multiples.")
    fit: bool = Field(
        False,
        description="Whether the components are those of the training images, as they are when training starts, "
        "in place of the ones below.",
    )
    eigenvalues: tuple[Variance, Variance, Variance] = Field(
        IMAGENET_EIGENVALUES,
        description="The variances lambda along the components; the default is ImageNet's, for values from 0 to 1.",
    )
    eigenvectors: tuple[Triple, Triple, Triple] = Field(
        IMAGENET_EIGENVECTORS,
        description="The components p in the order of their eigenvalues, each as [red, green, blue].",
    )

    def build(self, in_shape: Shape) -> "PcaColor":
        """Build for images of three channels; raises `InvalidSpec` for other rows."""
        check_images(self.kind, in_shape)
        if in_shape[2] != 3:
            raise InvalidSpec(f"pca_color takes images of three colours, but {list(in_shape)} comes in")
        return PcaColor(in_shape, self)


class PcaColor(Layer):
    """y = x + alpha (lambda p), with one alpha (3,) an image, while training; y = x in evaluation.

    The rows of the state `components` (3, 3) are lambda_k p_k: with `fit`, they follow the data.
    """

    def __init__(self, shape: Shape, spec: PcaColorSpec) -> None:
        super().__init__(shape, shape)
        self.spec = spec
        self.state_shapes = {"components": (3, 3)}

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
        """Allocate y, the multiples and the colours; `rng` draws the multiples."""
        self._rng = rng
        self._components = state["components"]
        self._y = np.empty((batch, *self.out_shape), dtype)
        self._alpha = np.empty((batch, 3), dtype)
        self._color = np.empty_like(self._alpha)
        self._line = np.empty((batch, 1, *self.out_shape[1:]), dtype)  # a row of pixels of that colour

    def init(self, rng: np.random.Generator, x: Array | None = None) -> None:
        """Take the components from the spec, or from the colours of the images `x`."""
        values, vectors = np.array(self.spec.eigenvalues), np.array(self.spec.eigenvectors)
        if self.spec.fit and x is not None:
            colors = x.reshape(-1, 3).astype(np.float64)
            values, columns = np.linalg.eigh(np.cov(colors, rowvar=False, bias=True))
            vectors = columns.T
        self._components[:] = values[:, np.newaxis] * vectors

    def forward(self, x: Array, train: bool) -> Array:
        """y_ijc = x_ijc + sum_k alpha_k (lambda_k p_kc)."""
        if not train:
            return x
        rows = len(x)
        y, alpha, color, line = self._y[:rows], self._alpha[:rows], self._color[:rows], self._line[:rows]
        self._rng.standard_normal(out=alpha, dtype=alpha.dtype)
        alpha *= self.spec.std
        np.matmul(alpha, self._components, out=color)
        np.copyto(line, color[:, np.newaxis, np.newaxis])
        return np.add(x, line, out=y)

    def backward(self, dy: Array) -> Array:
        """dC/dx = dC/dy: what is added does not depend on x."""
        return dy

    def buffer_values(self) -> int:
        """y, a row of pixels, the multiples and the colour."""
        return size(self.out_shape) + size(self.out_shape[1:]) + 6
