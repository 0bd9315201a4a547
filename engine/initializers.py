"""How parameters start.

The scaled kinds (Glorot, He, LeCun; each in a normal and a uniform form) keep the variance of what flows
through a layer: of the activations, by the number of inputs, or of activations and gradients alike.
"""

from math import prod, sqrt
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal, Self, Union

import numpy as np
from pydantic import Field, model_validator

from engine.arrays import Array
from engine.spec import Spec

_LARGEST = 1e6  # far above any sensible weight, far below what overflows a float32

GLOROT = (
    "Glorot & Bengio 2010, Understanding the difficulty of training deep feedforward neural networks, eq. 16"
)
HE = "He et al. 2015, Delving deep into rectifiers, eq. 10"
LECUN = "LeCun et al. 1998, Efficient BackProp, section 4.6"


class InitializerSpec(Spec):
    """A distribution that parameters are drawn from."""

    kind: str

    def fill(self, out: Array, fan_in: int, fan_out: int, rng: np.random.Generator) -> None:
        """Draw every value of `out` in place.

        `fan_in` and `fan_out` are the numbers of inputs of one output and of outputs of one input.
        Values are drawn in float64 and then rounded, so that a float32 and a float64 network start alike.
        """
        raise NotImplementedError


class ZerosSpec(InitializerSpec):
    """All zeros: right for biases; weights that all start alike stay alike."""

    formula: ClassVar[str] = r"w = 0"
    source: ClassVar[str] = "Common practice for biases: Goodfellow et al. 2016, Deep Learning, section 8.4"

    kind: Literal["zeros"] = "zeros"

    def fill(self, out: Array, fan_in: int, fan_out: int, rng: np.random.Generator) -> None:
        """w = 0."""
        out.fill(0)


class NormalSpec(InitializerSpec):
    """A normal distribution with a given mean and deviation, whatever the layer's size."""

    formula: ClassVar[str] = r"w \sim \mathcal{N}(\mu, \sigma^2)"
    source: ClassVar[str] = "Krizhevsky et al. 2012, ImageNet classification, section 5 (deviation 0.01)"

    kind: Literal["normal"] = "normal"
    mean: float = Field(0.0, ge=-_LARGEST, le=_LARGEST, description="The mean, mu.")
    std: float = Field(0.01, ge=0, le=_LARGEST, description="The standard deviation, sigma.")

    def fill(self, out: Array, fan_in: int, fan_out: int, rng: np.random.Generator) -> None:
        """w ~ N(mean, std^2)."""
        out[...] = rng.normal(self.mean, self.std, out.shape)


class UniformSpec(InitializerSpec):
    """A uniform distribution between two given bounds, whatever the layer's size."""

    formula: ClassVar[str] = r"w \sim \mathcal{U}(a, b)"
    source: ClassVar[str] = "Common practice: Goodfellow et al. 2016, Deep Learning, section 8.4"

    kind: Literal["uniform"] = "uniform"
    low: float = Field(-0.05, ge=-_LARGEST, le=_LARGEST, description="The lower bound, a.")
    high: float = Field(0.05, ge=-_LARGEST, le=_LARGEST, description="The upper bound, b; not below `low`.")

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.low > self.high:
            raise ValueError(f"low = {self.low} must not be above high = {self.high}")
        return self

    def fill(self, out: Array, fan_in: int, fan_out: int, rng: np.random.Generator) -> None:
        """w ~ U(low, high)."""
        out[...] = rng.uniform(self.low, self.high, out.shape)


class ScaledSpec(InitializerSpec):
    """A distribution with mean 0 whose variance follows from the layer's size."""

    def variance(self, fan_in: int, fan_out: int) -> float:
        """The variance of one weight."""
        raise NotImplementedError


class ScaledNormalSpec(ScaledSpec):
    """The normal distribution of a variance."""

    def fill(self, out: Array, fan_in: int, fan_out: int, rng: np.random.Generator) -> None:
        """w ~ N(0, variance)."""
        out[...] = rng.normal(0.0, sqrt(self.variance(fan_in, fan_out)), out.shape)


class ScaledUniformSpec(ScaledSpec):
    """The uniform distribution of a variance: U(-r, r) has the variance r^2 / 3."""

    def fill(self, out: Array, fan_in: int, fan_out: int, rng: np.random.Generator) -> None:
        """w ~ U(-r, r), r = sqrt(3 variance)."""
        r = sqrt(3 * self.variance(fan_in, fan_out))
        out[...] = rng.uniform(-r, r, out.shape)


class _Glorot(ScaledSpec):
    def variance(self, fan_in: int, fan_out: int) -> float:
        return 2 / (fan_in + fan_out)


class _He(ScaledSpec):
    def variance(self, fan_in: int, fan_out: int) -> float:
        return 2 / fan_in


class _Lecun(ScaledSpec):
    def variance(self, fan_in: int, fan_out: int) -> float:
        return 1 / fan_in


class GlorotNormalSpec(_Glorot, ScaledNormalSpec):
    """Keeps the variance of activations and gradients alike: for tanh, sigmoid and softmax; normal form."""

    formula: ClassVar[str] = r"w \sim \mathcal{N}\left(0, \frac{2}{n_{in} + n_{out}}\right)"
    source: ClassVar[str] = GLOROT

    kind: Literal["glorot_normal"] = "glorot_normal"


class GlorotUniformSpec(_Glorot, ScaledUniformSpec):
    """Keeps the variance of activations and gradients alike: for tanh, sigmoid and softmax; uniform form."""

    formula: ClassVar[str] = r"w \sim \mathcal{U}(-r, r), \quad r = \sqrt{\frac{6}{n_{in} + n_{out}}}"
    source: ClassVar[str] = GLOROT

    kind: Literal["glorot_uniform"] = "glorot_uniform"


class HeNormalSpec(_He, ScaledNormalSpec):
    """Makes up for the half of the inputs that a ReLU cuts off; normal form."""

    formula: ClassVar[str] = r"w \sim \mathcal{N}\left(0, \frac{2}{n_{in}}\right)"
    source: ClassVar[str] = HE

    kind: Literal["he_normal"] = "he_normal"


class HeUniformSpec(_He, ScaledUniformSpec):
    """Makes up for the half of the inputs that a ReLU cuts off; uniform form."""

    formula: ClassVar[str] = r"w \sim \mathcal{U}(-r, r), \quad r = \sqrt{\frac{6}{n_{in}}}"
    source: ClassVar[str] = HE

    kind: Literal["he_uniform"] = "he_uniform"


class LecunNormalSpec(_Lecun, ScaledNormalSpec):
    """Keeps the variance of the activations: the start that SELU is made for; normal form."""

    formula: ClassVar[str] = r"w \sim \mathcal{N}\left(0, \frac{1}{n_{in}}\right)"
    source: ClassVar[str] = LECUN

    kind: Literal["lecun_normal"] = "lecun_normal"


class LecunUniformSpec(_Lecun, ScaledUniformSpec):
    """Keeps the variance of the activations: the start that SELU is made for; uniform form."""

    formula: ClassVar[str] = r"w \sim \mathcal{U}(-r, r), \quad r = \sqrt{\frac{3}{n_{in}}}"
    source: ClassVar[str] = LECUN

    kind: Literal["lecun_uniform"] = "lecun_uniform"


class OrthogonalSpec(InitializerSpec):
    """A random matrix whose rows or columns, whichever are fewer, are orthogonal and of length `gain`."""

    formula: ClassVar[str] = r"W = g\,Q, \quad Q^\top Q = I"
    source: ClassVar[str] = (
        "Saxe, McClelland & Ganguli 2013, Exact solutions to the nonlinear dynamics of learning in deep "
        "linear neural networks"
    )

    kind: Literal["orthogonal"] = "orthogonal"
    gain: float = Field(1.0, gt=0, le=_LARGEST, description="The length of the rows or columns, g.")

    def fill(self, out: Array, fan_in: int, fan_out: int, rng: np.random.Generator) -> None:
        """W = gain Q, from the QR decomposition of a normal matrix; all axes but the last count as rows."""
        rows, columns = prod(out.shape[:-1]), out.shape[-1]
        q, r = np.linalg.qr(rng.standard_normal((max(rows, columns), min(rows, columns))))
        # QR fixes Q only up to the sign of each column; with R's diagonal positive Q is uniform
        # over all orthogonal matrices (Mezzadri 2007).
        q *= self.gain * np.copysign(1.0, np.diag(r))
        out[...] = (q if rows >= columns else q.T).reshape(out.shape)


INITIALIZER_SPECS: tuple[type[InitializerSpec], ...] = (
    ZerosSpec,
    NormalSpec,
    UniformSpec,
    GlorotNormalSpec,
    GlorotUniformSpec,
    HeNormalSpec,
    HeUniformSpec,
    LecunNormalSpec,
    LecunUniformSpec,
    OrthogonalSpec,
)

if TYPE_CHECKING:
    AnyInitializer = InitializerSpec
else:
    AnyInitializer = Annotated[Union[INITIALIZER_SPECS], Field(discriminator="kind")]  # noqa: UP007 - built from the tuple
"""Any initializer's spec, told apart by `kind`."""
