"""The rows of a training as they reach the network: in memory, or mapped from a file that is written piece by piece."""

import numpy as np
import polars as pl

from engine.encoding.table import TableEncoder
from engine.encoding.target import AnyTarget
from engine.partition import Table
from engine.room import Room, RowFile
from engine.training import Examples
from engine.weights import RowWeights


def in_memory(
    table: Table, rows: pl.DataFrame, encoder: TableEncoder, target: AnyTarget, weights: RowWeights
) -> Examples:
    """Rows of the table, encoded."""
    frame = table.whole(rows, columns_of(encoder))
    x = encoder.encode(frame)
    return Examples(x.reshape(len(x), *encoder.shape), target.encode(frame, x), weights.of(rows))


def on_disk(
    table: Table,
    rows: pl.DataFrame,
    encoder: TableEncoder,
    target: AnyTarget,
    weights: RowWeights,
    room: Room,
) -> Examples:
    """The same bits, but mapped from files; raises `OSError` where the disk is full."""
    inputs, outputs = RowFile(room.folder, encoder.shape), RowFile(room.folder, (target.outputs,))
    for piece in table.pieces(rows, columns_of(encoder)):
        x = encoder.encode(piece)
        inputs.write(x)
        outputs.write(target.encode(piece, x))
    return Examples(inputs.mapped(), outputs.mapped(), weights.of(rows))


def columns_of(encoder: TableEncoder) -> list[str]:
    """The table's columns that an encoder reads."""
    return [feature.name for feature in encoder.features]


def evenly(rows: pl.DataFrame, most: int) -> pl.DataFrame:
    """At most `most` of the rows, evenly spread."""
    return rows if rows.height <= most else rows.gather_every(-(-rows.height // most))


def drawn(rows: pl.DataFrame, most: int, rng: np.random.Generator) -> pl.DataFrame:
    """At most `most` of the rows, in order: one at random out of each of as many equal runs."""
    if rows.height <= most:
        return rows
    edges = np.arange(most + 1) * rows.height // most
    return rows[edges[:-1] + (rng.random(most) * np.diff(edges)).astype(np.int64)]


def encoded_bytes(rows: int, encoder: TableEncoder, target: AnyTarget) -> int:
    """What so many encoded rows take."""
    return 4 * rows * (encoder.width + target.outputs)
