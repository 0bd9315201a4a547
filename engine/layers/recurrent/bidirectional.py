"""A recurrent layer twice, once in each direction."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from engine.arrays import Shape
from engine.layers.base import LayerSpec
from engine.layers.combinators import (
    AddedBranches,
    CombinatorSpec,
    ConcatenatedBranches,
    Parallel,
    Sequential,
)
from engine.layers.recurrent.gru import GruSpec
from engine.layers.recurrent.lstm import LstmSpec
from engine.layers.recurrent.simple_rnn import SimpleRnnSpec
from engine.spec import InvalidSpec


class BidirectionalSpec(CombinatorSpec):
    """Reads a series with two recurrent layers of the same kind, one in each direction, and merges their outputs.

    Without `return_sequences` these are the last states: one has read up to the end, the other up to the start.
    """

    formula: ClassVar[str] = (
        r"y = [f_1(x_1, \dots, x_T),\ f_2(x_T, \dots, x_1)] \quad \text{or} \quad"
        r" y = f_1(x_1, \dots, x_T) + f_2(x_T, \dots, x_1)"
    )
    source: ClassVar[str] = "Schuster & Paliwal 1997, Bidirectional recurrent neural networks"

    kind: Literal["bidirectional"] = "bidirectional"
    layer: Annotated[SimpleRnnSpec | LstmSpec | GruSpec, Field(discriminator="kind")] = Field(
        description="The recurrent layer. The second one is the same with `backwards` turned around."
    )
    merge: Literal["concatenate", "add"] = Field(
        "concatenate", description="How the outputs become one; concatenate: along the last axis."
    )

    @property
    def chains(self) -> tuple[tuple[LayerSpec, ...], ...]:
        """The two layers."""
        turned = self.layer.model_copy(update={"backwards": not self.layer.backwards})
        return ((self.layer,), (turned,))

    def build(self, in_shape: Shape) -> Parallel:
        """Build both for rows of (steps, features)."""
        try:
            ways = [Sequential([layer.build(in_shape)], in_shape) for [layer] in self.chains]
        except InvalidSpec as error:
            raise error.under("layer") from None
        return ConcatenatedBranches(ways) if self.merge == "concatenate" else AddedBranches(ways)
