"""The training rows that are most like a record: what the model knows about such rows."""

from typing import TYPE_CHECKING, Literal

import numpy as np
from pydantic import Field

from engine.arrays import Array
from engine.explaining.base import ExplanationSpec
from engine.explaining.differentiable import network_of
from engine.explaining.scores import Indices, Values

if TYPE_CHECKING:  # at run time it would bring polars, which the service's start should not wait for
    from engine.model import Model

ROWS_AT_ONCE = 4096


class NearestRowsSpec(ExplanationSpec):
    """The rows of the training data that are nearest to a record, by Euclidean distance.

    In the space of encoded inputs, where all columns have one scale, or of what the last layer reads, where
    rows are near that the network treats alike.
    """

    method: Literal["nearest_rows"] = "nearest_rows"
    count: int = Field(5, ge=1, le=100, description="Rows for each record.")
    space: Literal["inputs", "hidden"] = Field(
        "inputs", description="Encoded inputs, or what the network's last layer reads."
    )

    formula = r"\operatorname*{arg\,min}_i \lVert h(x) - h(x^{(i)}) \rVert_2"
    source = "Fix & Hodges 1951, Discriminatory Analysis; hidden: Papernot & McDaniel 2018, Deep k-Nearest Neighbors"
    cost = "one forward pass (hidden) or none (inputs), and one distance, a row of the data"


def nearest(rows: Array, records: Array, count: int) -> tuple[Indices, Values]:
    """For each record the nearest rows, nearest first, equal ones in order: indices and distances (records, count)."""
    rows = rows.reshape(len(rows), -1).astype(np.float64)
    records = records.reshape(len(records), -1).astype(np.float64)
    count = min(count, len(rows))
    indices, distances = np.empty((len(records), count), np.intp), np.empty((len(records), count))
    for place, record in enumerate(records):
        squares = np.concatenate(
            [
                np.square(rows[start : start + ROWS_AT_ONCE] - record).sum(axis=1)
                for start in range(0, len(rows), ROWS_AT_ONCE)
            ]
        )
        order = np.argsort(squares, kind="stable")[:count]
        indices[place], distances[place] = order, np.sqrt(squares[order])
    return indices, distances


def hidden(model: "Model", x: Array) -> Values:
    """What the last layer with weights reads of each encoded row, flat, (rows, values)."""
    network, batch = network_of(model)
    weighted = [place for place, layer in enumerate(network.layers) if layer.param_shapes]
    last = weighted[-1] if weighted else 0
    parts = []
    for start in range(0, len(x), batch):
        part: Array = x[start : start + batch].astype(np.float64)
        part = part.reshape(len(part), *network.in_shape)
        for layer in network.layers[:last]:
            part = layer.forward(part, train=False)
        parts.append(part.reshape(len(part), -1).copy())
    return np.concatenate(parts)
