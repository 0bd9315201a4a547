"""Records that a model can be tried with where no data is at hand: drawn around what its encoder knows."""

from typing import Any

import numpy as np

from engine.encoding.column_encoders import (
    BooleanEncoder,
    CategoricalEncoder,
    ColumnEncoder,
    DatetimeEncoder,
    NumericEncoder,
)
from engine.encoding.scales import QuantileScale, Scale
from engine.encoding.table import TableEncoder
from engine.encoding.text_encoder import TextEncoder

COUNT = 16
MISSING_SHARE = 0.1
WORDS = ("a", "and", "good", "not", "of", "Straße", "the", "very", "with", "Ⅻ")


def drawn_records(encoder: TableEncoder, seed: int = 0) -> list[dict[str, Any]] | None:
    """The same ones each time; some values are missing, some categories unseen. None: a column of another kind."""
    draw = np.random.default_rng(seed)
    known = NumericEncoder | BooleanEncoder | CategoricalEncoder | DatetimeEncoder | TextEncoder
    if not all(isinstance(column, known) for column in encoder.columns):
        return None
    return [
        {
            column.name: None if draw.random() < MISSING_SHARE else _value(column, draw)
            for column in encoder.columns
        }
        for _ in range(COUNT)
    ]


def _value(column: ColumnEncoder, draw: np.random.Generator) -> object:
    match column:
        case NumericEncoder(scale=QuantileScale() as scale):
            return float(draw.choice(scale.quantiles))
        case NumericEncoder(scale=Scale() as scale):
            spread = 1 / scale.factor if scale.factor else 1.0
            return float(column.median + spread * draw.standard_normal())
        case BooleanEncoder():
            return bool(draw.random() < 0.5)
        case CategoricalEncoder():
            return str(draw.choice([*column.categories, "no category of the model"]))
        case TextEncoder():
            return " ".join(draw.choice(WORDS, int(draw.integers(1, 9))))
        case _:
            year, month, day, hour = (
                int(draw.integers(*ends)) for ends in ((1990, 2030), (1, 13), (1, 29), (0, 24))
            )
            return f"{year}-{month:02}-{day:02}T{hour:02}:30:00"
