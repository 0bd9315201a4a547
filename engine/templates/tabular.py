"""Networks for tables: the best known single network, and the best known ensemble in one network."""

from collections.abc import Iterator
from typing import ClassVar, Literal

from pydantic import Field, PositiveInt

from engine.layers import LayerSpec
from engine.layers.activations.learned import ParametricActivationSpec
from engine.layers.activations.rectifiers import ReluSpec
from engine.layers.dense import DenseSpec
from engine.layers.dropout import DropoutSpec
from engine.layers.tabular.batch_ensemble import BatchEnsembleDenseSpec
from engine.layers.tabular.member_dense import MemberDenseSpec
from engine.layers.tabular.numerical_embedding import PbldSpec
from engine.layers.tabular.piecewise_linear import PiecewiseLinearEmbeddingSpec
from engine.layers.tabular.scaling import ScalingSpec
from engine.network import NetworkSpec
from engine.templates.base import TemplateSpec


class RealmlpSpec(TemplateSpec):
    """A multilayer perceptron whose parts and numbers were tuned together, on many tables.

    Each input gets waves along it and a factor; the dense layers are in their ntp form and start from the
    data; the activations are learned.
    """

    formula: ClassVar[str] = (
        r"h^0 = s \odot \mathrm{PBLD}(x), \quad h^l = f_\alpha(W^l h^{l-1} / \sqrt{n_{l-1}} + b^l),"
        r" \quad z = W^L h^{L-1} / \sqrt{n_{L-1}} + b^L"
    )
    source: ClassVar[str] = (
        "Holzmüller, Grinsztajn & Steinwart 2024, Better by default: strong pre-tuned MLPs and boosted trees "
        "on tabular data: RealMLP-TD"
    )

    kind: Literal["realmlp"] = "realmlp"
    hidden: tuple[PositiveInt, ...] = Field(
        (256, 256, 256),
        min_length=1,
        max_length=100,
        description="Units of each hidden layer, first to last.",
    )
    activation: Literal["selu", "mish"] = Field(
        "selu",
        description="The curve of the learned activations; the source takes selu for classes, mish for numbers.",
    )
    dropout: float = Field(
        0.15, ge=0, lt=1, description="Rate of the dropout after each activation; 0: none."
    )
    embedding: bool = Field(True, description="Whether the inputs get waves along them (pbld).")

    def build(self) -> NetworkSpec:
        """Embedding and scaling; dense, activation and dropout for each hidden layer; a dense."""
        return NetworkSpec(layers=tuple(self._layers()))

    def _layers(self) -> Iterator[LayerSpec]:
        if self.embedding:
            yield PbldSpec()
        yield ScalingSpec()
        for units in self.hidden:
            yield DenseSpec(units=units, parametrization="ntp", start="data")
            yield ParametricActivationSpec(activation=self.activation)
            if self.dropout > 0:
                yield DropoutSpec(rate=self.dropout)
        yield DenseSpec(parametrization="ntp", start="data")


class TabmSpec(TemplateSpec):
    """Many multilayer perceptrons in one, which share most of their weights and answer by their mean."""

    formula: ClassVar[str] = (
        r"h^0_k = \mathrm{PLE}(x), \quad h^l_k = \max\left(0, s^l_k \odot ((r^l_k \odot h^{l-1}_k) W^l) + b^l_k"
        r"\right), \quad z_k = h^{L-1}_k W^L_k + b^L_k"
    )
    source: ClassVar[str] = (
        "Gorishniy, Kotelnikov & Babenko 2024, TabM: advancing tabular deep learning with parameter-efficient "
        "ensembling"
    )

    kind: Literal["tabm"] = "tabm"
    members: int = Field(32, ge=1, le=1024, description="Number of perceptrons in one, k.")
    hidden: tuple[PositiveInt, ...] = Field(
        (512, 512, 512),
        min_length=1,
        max_length=100,
        description="Units of each hidden layer, first to last.",
    )
    dropout: float = Field(0.1, ge=0, lt=1, description="Rate of the dropout after each ReLU; 0: none.")
    bins: int = Field(
        48, ge=1, le=4096, description="Bins of each input, between the quantiles of its values."
    )
    embedding: int = Field(16, ge=1, le=4096, description="Numbers that each input becomes.")

    def build(self) -> NetworkSpec:
        """An embedding; dense, ReLU and dropout of all members for each hidden layer; a dense of each."""
        return NetworkSpec(layers=tuple(self._layers()))

    def _layers(self) -> Iterator[LayerSpec]:
        yield PiecewiseLinearEmbeddingSpec(units=self.embedding, bins=self.bins)
        for layer, units in enumerate(self.hidden):
            yield BatchEnsembleDenseSpec(
                units=units, members=self.members, r_start="signs" if layer == 0 else "ones"
            )
            yield ReluSpec()
            if self.dropout > 0:
                yield DropoutSpec(rate=self.dropout)
        yield MemberDenseSpec()
