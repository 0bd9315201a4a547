"""The first layers of a network for tables: each kind of column in its own way."""

from collections.abc import Sequence
from itertools import accumulate

from engine.encoding.blocks import Block
from engine.initializers import NormalSpec
from engine.layers import LayerSpec
from engine.layers.embedding import EmbeddingSpec
from engine.layers.embedding_bag import EmbeddingBagSpec
from engine.layers.flatten import FlattenSpec
from engine.layers.tabular.columns import ColumnsSpec, Run

CODE_DIMENSION = 8
TEXT_DIMENSION, TEXT_START = 16, NormalSpec(std=0.1)
"""Of the vectors of n-grams, which are so many that larger ones would tell the training texts apart by themselves."""


def first_layers(blocks: Sequence[Block], of_numbers: tuple[LayerSpec, ...]) -> tuple[LayerSpec, ...]:
    """Numbers through `of_numbers`, flags as they are, each code through an embedding, each text through a bag of them.

    Side by side in this order. Only numbers, or only flags, need no layer that parts the row.
    """
    numbers, flags = _runs(blocks, "number"), _runs(blocks, "flag")
    parts: list[tuple[tuple[Run, ...], tuple[LayerSpec, ...]]] = []
    if numbers:
        parts.append((numbers, of_numbers))
    if flags:
        parts.append((flags, ()))
    for block, place in _placed(blocks):
        if block.form == "code":
            parts.append(
                ((place,), (EmbeddingSpec(size=block.codes, dimension=CODE_DIMENSION), FlattenSpec()))
            )
        if block.form == "ngrams":
            parts.append(((place,), (text_layer(block.codes),)))
    if len(parts) == 1:
        return parts[0][1]
    return (
        ColumnsSpec(columns=tuple(runs for runs, _ in parts), branches=tuple(layers for _, layers in parts)),
    )


def text_layer(codes: int) -> EmbeddingBagSpec:
    """What takes the numbers of a text's n-grams."""
    return EmbeddingBagSpec(size=codes, dimension=TEXT_DIMENSION, weight_initializer=TEXT_START)


def _placed(blocks: Sequence[Block]) -> list[tuple[Block, Run]]:
    """Each block with its first column and the one after its last."""
    ends = list(accumulate((block.columns for block in blocks), initial=0))
    return [(block, (first, stop)) for block, first, stop in zip(blocks, ends, ends[1:], strict=False)]


def _runs(blocks: Sequence[Block], form: str) -> tuple[Run, ...]:
    """The columns of a form, in runs as long as may be."""
    runs: list[Run] = []
    for block, (first, stop) in _placed(blocks):
        if block.form != form or first == stop:
            continue
        if runs and runs[-1][1] == first:
            runs[-1] = (runs[-1][0], stop)
        else:
            runs.append((first, stop))
    return tuple(runs)
