"""Tables in, arrays of float32 out, and a network's outputs back into words.

The names here describe tables and what is wrong with them. The modules that work on tables are imported
by name where they are needed, since they bring polars, which the service's start should not wait for:

    columns   infer, cast               what each column means
    profile   profile                   what each column holds
    table     TableEncoder              features -> x
    target    ClassTarget, ...          target columns -> y, answers -> predictions
    records   frame_from_records, ...   raw values of a prediction -> a table
    split     split, balanced_weights   training and validation rows
"""

from engine.encoding.description import (
    Categories,
    ColumnProfile,
    ColumnType,
    DatasetWarning,
    Feature,
    Histogram,
    Label,
    Scaling,
    Texts,
    ValueCount,
    WarningCode,
)
from engine.encoding.errors import InvalidTarget, InvalidValue, NoUsableFeature, UnreadableTable

__all__ = [
    "Categories",
    "ColumnProfile",
    "ColumnType",
    "DatasetWarning",
    "Feature",
    "Histogram",
    "InvalidTarget",
    "InvalidValue",
    "Label",
    "NoUsableFeature",
    "Scaling",
    "Texts",
    "UnreadableTable",
    "ValueCount",
    "WarningCode",
]
