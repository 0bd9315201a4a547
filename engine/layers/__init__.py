"""THE one list of layers: a spec imported here is a layer of the API, the catalog, the docs and the tests."""

from typing import TYPE_CHECKING, Annotated, Union

from pydantic import Field

from engine.layers.activations import IdentitySpec, SigmoidSpec, StepSpec, TanhSpec
from engine.layers.base import Layer, LayerSpec
from engine.layers.combinators import CombinatorSpec, ParallelSpec, ResidualSpec, SequentialSpec
from engine.layers.dense import DenseSpec
from engine.layers.dropout import DropoutSpec
from engine.layers.flatten import FlattenSpec
from engine.layers.rectifiers import EluSpec, LeakyReluSpec, ReluSpec, SeluSpec
from engine.layers.smooth_rectifiers import GeluSpec, SiluSpec, SoftplusSpec
from engine.layers.softmax import SoftmaxSpec

LAYER_SPECS: tuple[type[LayerSpec], ...] = tuple(
    item
    for item in list(globals().values())
    if isinstance(item, type) and issubclass(item, LayerSpec) and item not in {LayerSpec, CombinatorSpec}
)

if TYPE_CHECKING:
    AnyLayer = LayerSpec
else:
    AnyLayer = Annotated[Union[LAYER_SPECS], Field(discriminator="kind")]  # noqa: UP007 - built from the tuple
"""Any layer's spec, told apart by `kind`."""

for _spec in LAYER_SPECS:
    if issubclass(_spec, CombinatorSpec):  # it holds layers, and all of them are known only now
        _spec.model_rebuild(_types_namespace={"AnyLayer": AnyLayer})

__all__ = ["LAYER_SPECS", "AnyLayer", "Layer", "LayerSpec"]
