"""Child process: a model's answers to a whole table that came as bytes, which the API itself never looks into."""

from collections.abc import Iterable, Sequence
from hashlib import sha256
from io import BytesIO
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray
from pydantic_core import to_json

from app.datasets.reading_npz import read_array
from app.predictions.deciding import shortage_of
from app.predictions.schemas import MAX_ROWS, TableQuestion
from app.predictions.shaping import only_features, shape, warned
from app.problems import Invalid
from engine import kernels
from engine.encoding import Feature, UnreadableTable
from engine.encoding.array_columns import series_of
from engine.encoding.columns import LARGEST, cast, cleaned, infer
from engine.encoding.records import oddities
from engine.encoding.target import ClassTarget, RegressionTarget
from engine.encoding.target.classes import both_classes, label_text
from engine.ensemble import AnyModel, load_model
from engine.model_file import mapped
from engine.trust.assurance import DEFAULT_COVERAGE

ROWS_AT_MOST = 1_000_000
AT_A_TIME = 10_000  # rows whose answers are in memory as Python's objects
_PREFIX = 8
"""Bytes before each message of an Arrow stream, of which the last four are the length of what follows; the end is such
a prefix alone. Source: Arrow columnar format, Encapsulated message format."""


def answer_table(
    model_file: Path,
    found: dict[str, Any],
    table: Path,
    question: TableQuestion,
    destination: Path,
    share: tuple[int, int] = (0, 1),
) -> dict[str, Any]:
    """Answer the rows of the file `table`, an Arrow stream or a .npy file; the answer lies in `destination` then.

    `found`: id, version and sha256 of the model. `share`: number and count of the parts of the rows, each of which a
    call of its own answers; what they leave behind is one answer, in their order; of a question that has parts.
    Raises `Invalid` where the table does not fit.
    """
    kernels.use("numpy")  # which need no compiling, as in the API
    data = mapped(model_file)
    if sha256(data).hexdigest() != found["sha256"]:
        raise RuntimeError(f"the file of {found['id']} is damaged")
    model = load_model(data)
    if model.windows is not None:
        raise Invalid("rows over time are read as JSON or CSV")
    if question.kind == "npy":
        only_features(question.shape.columns, model)
    try:
        sent = _read(table, question.kind, model.features)
        _check_rows(sent, MAX_ROWS if question.as_json else ROWS_AT_MOST)
        if question.has_parts:
            answer = _part(model, sent, *share)
        else:
            frame = _typed(sent, model.features)
            answers = (
                _answered(model, frame[at : at + AT_A_TIME], sent[at : at + AT_A_TIME], question)
                for at in range(0, frame.height, AT_A_TIME)
            )
            if question.as_json:
                answer = _json(chain.from_iterable(answers), found)
            else:
                answer = _stream(_together(map(_flattened, answers), model, sent.schema))
    except UnreadableTable as error:
        raise Invalid(error.detail) from None
    destination.write_bytes(answer)
    return {}


def _read(table: Path, kind: str, features: tuple[Feature, ...]) -> pl.DataFrame:
    if kind == "npy":
        return _columns(read_array(table.read_bytes(), "x"), features)
    try:
        return pl.read_ipc_stream(table)
    except (pl.exceptions.PolarsError, OSError) as error:
        words = str(error).partition("\n")[0].replace(str(table), "the body")
        raise Invalid(f"the body is no Arrow stream: {words}"[:300]) from None


def _columns(x: NDArray[np.generic], features: tuple[Feature, ...]) -> pl.DataFrame:
    """The columns of an array (rows, features); of the shape of the only feature where that holds arrays."""
    if len(features) == 1 and features[0].shape is not None and x.shape[1:] == features[0].shape:
        kind = np.uint8 if features[0].type == "image" else np.float32
        return pl.DataFrame([series_of(features[0].name, x.astype(kind))])
    if x.ndim != 2 or x.shape[1] != len(features) or x.dtype.kind == "U":
        raise Invalid(
            f"an array of numbers of the shape [rows, {len(features)}] is expected, got {list(x.shape)}"
        )
    named = zip(features, x.T, strict=True)
    return pl.DataFrame([pl.Series(feature.name, np.ascontiguousarray(column)) for feature, column in named])


def _check_rows(sent: pl.DataFrame, most: int) -> None:
    if not 1 <= sent.height <= most:
        raise Invalid(f"1 to {most:,} rows are allowed, there are {sent.height:,}")


def _typed(frame: pl.DataFrame, features: tuple[Feature, ...]) -> pl.DataFrame:
    """The features, each as its type; what is not there is missing. Text is cleaned as that of a record is."""
    columns = [
        _typed_column(frame[feature.name] if feature.name in frame.columns else None, feature, frame.height)
        for feature in features
    ]
    return pl.DataFrame(columns)


def _typed_column(series: pl.Series | None, feature: Feature, rows: int) -> pl.Series:
    if series is None or series.dtype == pl.Null:
        series = pl.Series(feature.name, [None] * rows, pl.String)
    if feature.type == "numeric" and _are_plain_numbers(series):
        return series.cast(pl.Float64).alias(feature.name)
    if isinstance(series.dtype, pl.Categorical | pl.Enum):
        series = series.cast(pl.String)
    if series.dtype == pl.String:
        series = cleaned(series)
    else:
        typed, *_ = infer(series.to_frame())
        series = typed.to_series()
    return cast(series.to_frame(), {feature.name: feature.type}).to_series()


def _are_plain_numbers(series: pl.Series) -> bool:
    """Whether no NaN or infinity, which would count as missing, is among numbers."""
    return series.dtype.is_numeric() and series.cast(pl.Float64).is_between(-LARGEST, LARGEST).all()


def _is_typed_by_rows(sent: pl.DataFrame, features: tuple[Feature, ...]) -> bool:
    """Whether a part of the rows is typed as it would be among all of them; elsewhere a column's type is found."""
    for feature in features:
        if feature.name not in sent.columns:
            continue
        series = sent[feature.name]
        words = series.dtype == pl.String or isinstance(series.dtype, pl.Categorical | pl.Enum)
        if not (
            words
            if feature.type == "categorical"
            else feature.type == "numeric" and _are_plain_numbers(series)
        ):
            return False
    return True


def _answered(
    model: AnyModel, frame: pl.DataFrame, sent: pl.DataFrame, question: TableQuestion
) -> list[dict[str, Any]]:
    """Predictions, as `POST /v1/models/{ref}/predict` has them for records."""
    short = shortage_of(model, question.coverage)
    answered = model.predict(frame, question.coverage or DEFAULT_COVERAGE)
    predictions = warned(answered, oddities(frame, model.features), short)
    there = [name for name in dict.fromkeys(question.shape.columns) if name in sent.columns]
    back = sent[there]  # in brackets: elsewhere polars takes some names for patterns
    shape(predictions, back.to_dicts() or [{}] * sent.height, model, question.shape)
    return predictions


def _json(predictions: Iterable[dict[str, Any]], found: dict[str, Any]) -> bytes:
    """`schemas.Predictions`."""
    answers = {"model_id": found["id"], "version": found["version"], "predictions": list(predictions)}
    return to_json(answers, inf_nan_mode="null")


def _part(model: AnyModel, sent: pl.DataFrame, part: int, parts: int) -> bytes:
    """What a part adds to the Arrow stream: the first its schema, the last its end."""
    if not isinstance(model.target, ClassTarget | RegressionTarget):
        # The columns depend on the answers.
        return _arrow(model, _typed(sent, model.features)) if part == 0 else b""
    rows = slice(*(sent.height * at // parts for at in (part, part + 1)))
    if _is_typed_by_rows(sent, model.features):
        frame = _typed(sent[rows], model.features)
    else:
        frame = _typed(sent, model.features)[rows]
    stream = _arrow(model, frame)
    schema = _PREFIX + int.from_bytes(stream[4:_PREFIX], "little")
    return stream[schema if part else 0 : None if part == parts - 1 else -_PREFIX]


def _arrow(model: AnyModel, frame: pl.DataFrame) -> bytes:
    """A column `label` or `value`, `probabilities.CLASS` or `values.TARGET`; of other models what JSON would hold."""
    target = model.target
    if isinstance(target, ClassTarget):
        answers = model.answers(frame)
        p = both_classes(answers) if target.kind == "binary" else answers
        labels = pl.Series("label", target.classes).gather(target.winners(answers))
        table = pl.DataFrame([labels, *map(pl.Series, _probabilities(target), p.T)])
    elif isinstance(target, RegressionTarget):
        answers = model.answers(frame)
        names = ["value"] if len(target.names) == 1 else [f"values.{name}" for name in target.names]
        table = pl.DataFrame([*map(pl.Series, names, answers.T)])
    else:
        table = _flattened(model.predict(frame))
    return _stream(table)


def _stream(table: pl.DataFrame) -> bytes:
    file = BytesIO()
    table.write_ipc_stream(file)
    return file.getvalue()


def _together(tables: Iterable[pl.DataFrame], model: AnyModel, sent: pl.Schema) -> pl.DataFrame:
    """One table; what only some of the rows have is missing in the others.

    Whatever the rows are, all answers to a question have the same columns: every class has its own, also where it is
    among the largest of no row, and what comes back has the type that was `sent`.
    """
    table = pl.concat(tables, how="diagonal_relaxed")
    types = {f"columns.{name}": kind for name, kind in sent.items()}
    table = table.cast({name: types[name] for name in table.columns if name in types})
    if not isinstance(model.target, ClassTarget):
        return table
    classes = _probabilities(model.target)
    others = [name for name in table.columns if name not in classes]
    missing = pl.Series([None] * table.height, dtype=pl.Float64)
    columns = [
        table[name] if name in table.columns else missing.alias(name)
        for name in (others[0], *classes, *others[1:])  # the label, which is always there, comes first
    ]
    return pl.DataFrame(columns)


def _probabilities(target: ClassTarget) -> list[str]:
    """Their columns, in the order of the classes."""
    return [f"probabilities.{label_text(label)}" for label in target.classes]


def _flattened(predictions: Sequence[dict[str, Any]]) -> pl.DataFrame:
    return pl.DataFrame([_flat(prediction) for prediction in predictions], infer_schema_length=None)


def _flat(prediction: dict[str, Any]) -> dict[str, object]:
    """With what lies inside under names of its own; warnings are told in JSON alone."""
    flat: dict[str, object] = {}
    for name, value in prediction.items():
        flat |= (
            {f"{name}.{inner}": each for inner, each in value.items()}
            if isinstance(value, dict)
            else {name: value}
        )
    flat.pop("warnings", None)
    return flat
