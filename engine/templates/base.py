"""What every template has in common: a well-known network by name and a few numbers."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Literal

from engine.layers import LAYER_SPECS, LayerSpec
from engine.network import NetworkSpec
from engine.spec import Spec

ACTIVATIONS: dict[str, Callable[[], LayerSpec]] = {
    spec.model_fields["kind"].default: spec for spec in LAYER_SPECS if spec.is_activation
}
"""Every activation by its kind; all of them work with their defaults."""

if TYPE_CHECKING:
    ActivationKind = str
else:
    ActivationKind = Literal[tuple(ACTIVATIONS)]


class TemplateSpec(Spec):
    """A spec that writes out a network, whose last dense layer leaves its units to the target."""

    kind: str

    def build(self) -> NetworkSpec:
        """The network. Raises `InvalidSpec` with the path of the field that makes it impossible."""
        raise NotImplementedError
