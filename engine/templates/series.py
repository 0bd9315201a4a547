"""Networks for series: recurrent ones and a transformer."""

from collections.abc import Iterator
from typing import ClassVar, Literal, Self

from pydantic import Field, model_validator

from engine.layers import LayerSpec
from engine.layers.attention.positional_encoding import PositionalEncodingSpec
from engine.layers.attention.transformer import TransformerEncoderSpec
from engine.layers.convolution.conv import Conv1dSpec
from engine.layers.dense import DenseSpec
from engine.layers.dropout import DropoutSpec
from engine.layers.normalization.layer import LayerNormalizationSpec
from engine.layers.pooling.whole import GlobalAveragePoolSpec
from engine.layers.recurrent.bidirectional import BidirectionalSpec
from engine.layers.recurrent.gru import GruSpec
from engine.layers.recurrent.lstm import LstmSpec
from engine.layers.reshape import ReshapeSpec
from engine.network import NetworkSpec
from engine.templates.base import TemplateSpec


class SeriesTemplateSpec(TemplateSpec):
    """A spec that writes out a network for series, given as they are or as flat rows, step after step."""

    steps: int | None = Field(
        None, ge=1, le=65_536, description="Steps of a series; left out: as many as a row has features for."
    )
    features: int = Field(1, ge=1, le=65_536, description="Numbers in each step.")

    def build(self) -> NetworkSpec:
        """A reshape to the series, then the layers."""
        return NetworkSpec(layers=(ReshapeSpec(shape=(self.steps or -1, self.features)), *self.layers()))

    def layers(self) -> Iterator[LayerSpec]:
        """The layers after the reshape."""
        raise NotImplementedError


class RecurrentTemplateSpec(SeriesTemplateSpec):
    """A spec that writes out recurrent layers, of which the last one hands on its last state."""

    units: int = Field(64, ge=1, le=65_536, description="Size of the state of each layer, in each direction.")
    depth: int = Field(1, ge=1, le=20, description="Recurrent layers, one on top of the other.")
    bidirectional: bool = Field(False, description="Whether each layer also reads from the end to the start.")
    dropout: float = Field(0.0, ge=0, lt=1, description="Rate of the dropout after each layer; 0: none.")

    def recurrent(self, *, return_sequences: bool) -> LstmSpec | GruSpec:
        """One layer in one direction."""
        raise NotImplementedError

    def layers(self) -> Iterator[LayerSpec]:
        """The recurrent layers, then a dense."""
        for layer in range(self.depth):
            recurrent = self.recurrent(return_sequences=layer < self.depth - 1)
            yield BidirectionalSpec(layer=recurrent) if self.bidirectional else recurrent
            if self.dropout > 0:
                yield DropoutSpec(rate=self.dropout)
        yield DenseSpec()


class LstmTemplateSpec(RecurrentTemplateSpec):
    """Reads a series with LSTM layers and answers from the last state."""

    formula: ClassVar[str] = r"h_t, c_t = \mathrm{LSTM}(x_t, h_{t-1}, c_{t-1}), \quad z = W h_T + b"
    source: ClassVar[str] = "Hochreiter & Schmidhuber 1997, Long short-term memory"

    kind: Literal["lstm"] = "lstm"

    def recurrent(self, *, return_sequences: bool) -> LstmSpec:
        """An LSTM layer."""
        return LstmSpec(units=self.units, return_sequences=return_sequences)


class GruTemplateSpec(RecurrentTemplateSpec):
    """Reads a series with GRU layers and answers from the last state."""

    formula: ClassVar[str] = r"h_t = \mathrm{GRU}(x_t, h_{t-1}), \quad z = W h_T + b"
    source: ClassVar[str] = (
        "Cho et al. 2014, Learning phrase representations using RNN encoder-decoder for statistical machine "
        "translation"
    )

    kind: Literal["gru"] = "gru"

    def recurrent(self, *, return_sequences: bool) -> GruSpec:
        """A GRU layer."""
        return GruSpec(units=self.units, return_sequences=return_sequences)


class TransformerSmallSpec(SeriesTemplateSpec):
    """Reads a series with transformer blocks and answers from the mean over its steps."""

    formula: ClassVar[str] = (
        r"h = \mathrm{Block}^n(W_e x + b_e + PE), \quad z = W \, \mathrm{mean}_t\, h_t + b"
    )
    source: ClassVar[str] = (
        "Vaswani et al. 2017, Attention is all you need; pre-normalised as in Xiong et al. 2020"
    )

    kind: Literal["transformer_small"] = "transformer_small"
    width: int = Field(32, ge=1, le=65_536, description="Numbers that a step has inside of the network.")
    heads: int = Field(4, ge=1, le=1024, description="Heads of the attention; they divide the width.")
    depth: int = Field(2, ge=1, le=100, description="Transformer blocks, one on top of the other.")
    dropout: float = Field(0.1, ge=0, lt=1, description="Rate of the dropout in each block.")

    @model_validator(mode="after")
    def _heads_divide_the_width(self) -> Self:
        if self.width % self.heads:
            raise ValueError(f"{self.heads} heads do not divide the width of {self.width}")
        return self

    def layers(self) -> Iterator[LayerSpec]:
        """An embedding of each step, its position, the blocks, the mean over the steps, and a dense."""
        yield from (Conv1dSpec(filters=self.width, kernel_size=1), PositionalEncodingSpec())
        for _ in range(self.depth):
            yield TransformerEncoderSpec(heads=self.heads, dropout=self.dropout)
        yield from (LayerNormalizationSpec(), GlobalAveragePoolSpec(), DenseSpec())
