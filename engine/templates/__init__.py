"""Templates: well-known networks by name and a few numbers, written out as the layers they stand for.

A spec imported here is a template of the API, the catalog, the docs and the tests.
"""

from typing import TYPE_CHECKING, Annotated, Union

from pydantic import Field

from engine.templates.alexnet import AlexnetSpec
from engine.templates.autoencoders import AutoencoderSpec, DbnSpec
from engine.templates.base import ACTIVATIONS, ActivationKind, TemplateSpec
from engine.templates.dense import LogisticRegressionSpec, MlpSpec, PerceptronSpec
from engine.templates.lenet import Lenet5Spec
from engine.templates.neocognitron import NeocognitronSpec
from engine.templates.resnet import ResnetSmallSpec
from engine.templates.series import GruTemplateSpec, LstmTemplateSpec, TransformerSmallSpec
from engine.templates.tabular import RealmlpSpec, TabmSpec
from engine.templates.vgg import VggSpec

TEMPLATE_SPECS: tuple[type[TemplateSpec], ...] = tuple(
    item
    for item in list(globals().values())
    if isinstance(item, type) and issubclass(item, TemplateSpec) and item is not TemplateSpec
)

if TYPE_CHECKING:
    AnyTemplate = TemplateSpec
else:
    AnyTemplate = Annotated[Union[TEMPLATE_SPECS], Field(discriminator="kind")]  # noqa: UP007 - built from the tuple
"""Any template's spec, told apart by `kind`."""

__all__ = [
    "ACTIVATIONS",
    "TEMPLATE_SPECS",
    "ActivationKind",
    "AlexnetSpec",
    "AnyTemplate",
    "AutoencoderSpec",
    "DbnSpec",
    "GruTemplateSpec",
    "Lenet5Spec",
    "LogisticRegressionSpec",
    "LstmTemplateSpec",
    "MlpSpec",
    "NeocognitronSpec",
    "PerceptronSpec",
    "RealmlpSpec",
    "ResnetSmallSpec",
    "TabmSpec",
    "TemplateSpec",
    "TransformerSmallSpec",
    "VggSpec",
]
