"""Networks that learn from inputs alone: autoencoders, and stacks of sigmoids to be pretrained."""

from collections.abc import Iterator
from typing import Annotated, ClassVar, Literal

from pydantic import Field, PositiveInt

from engine.initializers import ZerosSpec
from engine.layers import LayerSpec
from engine.layers.activations.base import SigmoidSpec
from engine.layers.dense import DenseSpec
from engine.layers.dropout import DropoutSpec
from engine.layers.noise import GaussianNoiseSpec
from engine.network import NetworkSpec
from engine.templates.base import ACTIVATIONS, ActivationKind, TemplateSpec

Hidden = Annotated[tuple[PositiveInt, ...], Field(max_length=100)]


class AutoencoderSpec(TemplateSpec):
    """Squeezes a row through a narrow middle, the code, and reconstructs it from there.

    For jobs without a target. With noise it is a denoising autoencoder: it sees a corrupted row and has to
    restore the clean one, so that it must learn how the values hang together.
    """

    formula: ClassVar[str] = r"c = f(\tilde{x}), \quad \hat{x} = g(c), \quad C = \lVert x - \hat{x} \rVert^2"
    source: ClassVar[str] = (
        "Hinton & Salakhutdinov 2006, Reducing the dimensionality of data with neural networks; "
        "Vincent et al. 2008, Extracting and composing robust features with denoising autoencoders"
    )

    kind: Literal["autoencoder"] = "autoencoder"
    hidden: Hidden = Field(
        (64,), description="Units of the layers before the code, first to last; mirrored after it."
    )
    bottleneck: PositiveInt = Field(8, description="Numbers in the code, which has no activation.")
    activation: ActivationKind = Field("relu", description="The activation after each hidden layer.")
    noise: Literal["none", "gaussian", "masking"] = Field(
        "none",
        description="What is done to a row in training: gaussian adds noise to its values, masking sets some "
        "to 0.",
    )
    noise_level: float = Field(
        0.2, gt=0, lt=1, description="Standard deviation of the gaussian noise, or share of values masked."
    )

    def build(self) -> NetworkSpec:
        """Noise, encoder, code and decoder; the last dense is as wide as the row."""
        layers = (*self._noise(), *self._hidden(self.hidden), DenseSpec(units=self.bottleneck))
        return NetworkSpec(layers=(*layers, *self._hidden(self.hidden[::-1]), DenseSpec()))

    def _noise(self) -> tuple[LayerSpec, ...]:
        match self.noise:
            case "gaussian":
                return (GaussianNoiseSpec(std=self.noise_level),)
            case "masking":
                return (DropoutSpec(rate=self.noise_level),)
            case "none":
                return ()

    def _hidden(self, sizes: tuple[int, ...]) -> Iterator[LayerSpec]:
        for units in sizes:
            yield DenseSpec(units=units)
            yield ACTIVATIONS[self.activation]()


class DbnSpec(TemplateSpec):
    """A stack of sigmoid layers under one that answers: what a deep belief net becomes for classification.

    Made for `pretraining` of kind rbm, which starts each layer from the inputs before backpropagation.
    """

    formula: ClassVar[str] = r"h^l = \sigma(W^l h^{l-1} + b^l), \quad z = W^L h^{L-1} + b^L"
    source: ClassVar[str] = (
        "Hinton, Osindero & Teh 2006, A fast learning algorithm for deep belief nets; "
        "Hinton & Salakhutdinov 2006, Reducing the dimensionality of data with neural networks"
    )

    kind: Literal["dbn"] = "dbn"
    hidden: Hidden = Field(
        (256, 128, 64), min_length=1, description="Units of each sigmoid layer, first to last."
    )

    def build(self) -> NetworkSpec:
        """Dense and sigmoid for each layer, then a dense that starts at zero."""
        stack = (layer for units in self.hidden for layer in (DenseSpec(units=units), SigmoidSpec()))
        return NetworkSpec(layers=(*stack, DenseSpec(weight_initializer=ZerosSpec())))
