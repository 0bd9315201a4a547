"""THE one list of losses. A spec imported here is a loss of the API, the catalog, the docs and the tests.

The names that H2O's deep learning gives to distributions, and the losses that they stand for here:

    gaussian      mse             laplace       mae             huber         huber
    bernoulli     log_loss        multinomial   cross_entropy   quantile      quantile
    poisson       poisson         gamma         gamma           tweedie       tweedie
"""

from typing import TYPE_CHECKING, Annotated, Union

from pydantic import Field

from engine.losses.base import Loss, LossSpec, Takes
from engine.losses.classification import CrossEntropySpec, KlDivergenceSpec, LogLossSpec
from engine.losses.deviances import LARGEST_LOGARITHM, DevianceSpec, GammaSpec, PoissonSpec, TweedieSpec
from engine.losses.directions import CosineSpec
from engine.losses.focal import FocalSpec
from engine.losses.margins import HingeSpec, PerceptronLossSpec, SquaredHingeSpec
from engine.losses.regression import HuberSpec, LogCoshSpec, MaeSpec, MseSpec, QuantileSpec

LOSS_SPECS: tuple[type[LossSpec], ...] = (
    MseSpec,
    MaeSpec,
    HuberSpec,
    LogCoshSpec,
    QuantileSpec,
    PoissonSpec,
    GammaSpec,
    TweedieSpec,
    CosineSpec,
    LogLossSpec,
    CrossEntropySpec,
    KlDivergenceSpec,
    FocalSpec,
    HingeSpec,
    SquaredHingeSpec,
    PerceptronLossSpec,
)

if TYPE_CHECKING:
    AnyLoss = LossSpec
else:
    AnyLoss = Annotated[Union[LOSS_SPECS], Field(discriminator="kind")]  # noqa: UP007 - built from the tuple
"""Any loss's spec, told apart by `kind`."""

__all__ = [
    "LARGEST_LOGARITHM",
    "LOSS_SPECS",
    "AnyLoss",
    "CosineSpec",
    "CrossEntropySpec",
    "DevianceSpec",
    "FocalSpec",
    "GammaSpec",
    "HingeSpec",
    "HuberSpec",
    "KlDivergenceSpec",
    "LogCoshSpec",
    "LogLossSpec",
    "Loss",
    "LossSpec",
    "MaeSpec",
    "MseSpec",
    "PerceptronLossSpec",
    "PoissonSpec",
    "QuantileSpec",
    "SquaredHingeSpec",
    "Takes",
    "TweedieSpec",
]
