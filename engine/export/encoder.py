"""The encoder of a table in a graph: one named input a column, as far as ONNX can say it.

Numbers are float64 with NaN for a missing one, truth values likewise (1 and 0), categories are texts without
white space around them, where an empty one and what stands for missing in a CSV is missing; images and arrays are
float32, a missing one all NaN. Dates and free text cannot be taken apart by ONNX's operations.
"""

import numpy as np

from engine.arrays import Array
from engine.encoding.array_encoder import ArrayEncoder
from engine.encoding.column_encoders import BooleanEncoder, CategoricalEncoder, ColumnEncoder, NumericEncoder
from engine.encoding.columns import LARGEST, MISSING
from engine.encoding.scales import FARTHEST, AnyScale, QuantileScale, shares_and_levels
from engine.encoding.table import TableEncoder
from engine.export.answers import double
from engine.export.errors import NotExportable
from engine.export.graph import Graph


def add_encoder(g: Graph, encoder: TableEncoder) -> tuple[str, dict[str, str]]:
    """Add inputs and the encoding; the name of x (rows, width), float32, and each column's input.

    Raises `NotExportable` for a column that ONNX has no operations for.
    """
    for column in encoder.columns:
        if not isinstance(column, NumericEncoder | BooleanEncoder | CategoricalEncoder | ArrayEncoder):
            raise NotExportable(f"ONNX has no operations that encode {column.name}, which is {column.kind}")
    inputs: dict[str, str] = {}
    parts: list[str] = []
    for column in encoder.columns:
        made = _add_column(g, column, inputs)
        parts += [g.add("Cast", part, to="float32") for part in made]
    return g.add("Concat", *parts, axis=1), inputs


def _add_column(g: Graph, column: ColumnEncoder, inputs: dict[str, str]) -> list[str]:
    """The column's parts of x; its input is entered under its name."""
    match column:
        case NumericEncoder():
            inputs[column.name] = x = g.input(column.name, "float64", ("rows", 1))
            present = g.add("LessOrEqual", g.add("Abs", x), double(LARGEST))
            filled = g.add("Where", present, x, double(column.median))
            missing = [g.add("Not", present)] if column.marks_missing else []
            return [scaled(g, column.scale, filled), *missing]
        case BooleanEncoder():
            inputs[column.name] = x = g.input(column.name, "float64", ("rows", 1))
            signs = g.add("Sub", g.add("Mul", x, double(2)), double(1))
            known = g.add("Where", g.add("Equal", x, x), signs, double(0))
            return [known if column.scale is None else scaled(g, column.scale, known)]
        case CategoricalEncoder():
            inputs[column.name] = x = g.input(column.name, "string", ("rows", 1))
            return _categories(g, column, x)
        case ArrayEncoder():
            inputs[column.name] = x = g.input(column.name, "float32", ("rows", *column.shape))
            return [_array(g, column, x)]
        case _:
            raise AssertionError("looked at before")


def _categories(g: Graph, column: CategoricalEncoder, x: str) -> list[str]:
    """Ones, signs or codes, from the category's place; -1: unknown, their number: missing."""
    count = len(column.categories)
    places = (*range(count), *[count] * len(MISSING))
    code = g.add(
        "LabelEncoder", x, keys_strings=(*column.categories, *MISSING), values_int64s=places, default_int64=-1
    )
    known = g.add("And", g.add("GreaterOrEqual", code, _whole(0)), g.add("Less", code, _whole(count)))
    number = g.add("Where", known, g.add("Cast", code, to="float64"), double(np.nan))
    match column.form:
        case "one_hot":
            values = g.add("Cast", g.add("Equal", code, np.arange(count)[None]), to="float64")
        case "sign":
            values = g.add("Sub", g.add("Mul", number, double(2)), double(1))
            values = g.add("Where", known, values, double(0))
        case "code":
            values = g.add("Where", known, g.add("Add", number, double(1)), double(0))
    if column.scales is not None:
        parts = [scaled(g, scale, g.part(values, i, i + 1)) for i, scale in enumerate(column.scales)]
        values = g.add("Concat", *parts, axis=1)
    return [values, g.add("Equal", code, _whole(count))] if column.marks_missing else [values]


def _array(g: Graph, column: ArrayEncoder, x: str) -> str:
    numbers = g.reshape(
        g.add("Cast", x, to="float64"), (column.width // len(column.centers), len(column.centers))
    )
    centred = g.add("Sub", numbers, np.array(column.centers))
    cut = _cut(g, g.add("Mul", centred, np.array(column.factors)))
    return g.reshape(g.add("Where", g.add("Equal", numbers, numbers), cut, double(0)), (column.width,))


def scaled(g: Graph, scale: AnyScale, x: str) -> str:
    """A column (rows, 1) on its scale, float64."""
    if isinstance(scale, QuantileScale):
        return _normal(g, scale, x)
    u = _cut(g, g.add("Mul", g.add("Sub", x, double(scale.center)), double(scale.factor)))
    if not scale.bounded:
        return u
    third = g.add("Div", u, double(3))
    return g.add("Div", u, g.add("Sqrt", g.add("Add", g.add("Mul", third, third), double(1))))


def _normal(g: Graph, scale: QuantileScale, x: str) -> str:
    """The share of training values below, then the normal's quantile of it: two sums of cut lines.

    Where a value is several quantiles, the share jumps there from that of the first to that of the last.
    """
    if scale.is_constant:
        return g.add("Mul", x, double(0))
    last = np.cumsum(scale.repeats) - 1
    first = last - np.array(scale.repeats) + 1
    quantiles, steps = np.array(scale.quantiles), last[-1]
    lines = _lines(g, x, quantiles, (first[1:] - last[:-1]) / steps)
    above = g.add("Cast", g.add("Greater", x, quantiles[None]), to="float64")
    from_on = g.add("Cast", g.add("GreaterOrEqual", x, quantiles[None]), to="float64")
    jumps = ((last - first) / steps / 2)[:, None]
    share = g.add("Add", lines, g.add("MatMul", g.add("Add", above, from_on), jumps))
    shares, levels = shares_and_levels()
    return g.add("Add", _lines(g, share, shares, np.diff(levels)), double(float(levels[0])))


def _lines(g: Graph, x: str, nodes: Array, rises: Array) -> str:
    """The sum over the gaps between nodes of rise times the part of the gap that lies below x."""
    parts = g.add("Div", g.add("Sub", x, nodes[None, :-1]), np.diff(nodes)[None])
    cut = g.add("Min", g.add("Max", parts, double(0)), double(1))
    return g.add("MatMul", cut, rises[:, None])


def _cut(g: Graph, u: str) -> str:
    return g.add("Min", g.add("Max", u, double(-FARTHEST)), double(FARTHEST))


def _whole(number: int) -> Array:
    return np.array(number, np.int64)
