"""Child process: a model held against a whole table, which may take more memory and time than the API has."""

from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import polars as pl
from pydantic import TypeAdapter

from app.datasets.tables import read_kept
from app.predictions.schemas import Evaluated
from app.problems import Invalid, NotFound
from engine import kernels
from engine.appraisal import report_on
from engine.encoding import Feature, InvalidTarget, UnreadableTable
from engine.encoding.columns import cast
from engine.ensemble import AnyModel, load_model
from engine.forecasting.windows import SeriesWindows
from engine.planning import with_values
from engine.trust.thresholds import ThresholdChoice


def evaluate(
    model_file: Path, table: Path, memory: int, found: dict[str, Any], threshold_by: object = None
) -> dict[str, str]:
    """The answer of `POST /v1/models/{ref}/evaluate` as JSON text; `found` is what the database knows for it.

    `threshold_by`: as the request has it, in JSON. Raises `Invalid` where the rows do not fit, and `NotFound` where
    model or table were deleted meanwhile.
    """
    kernels.use("numpy")  # which need no compiling, as in the API
    choice: ThresholdChoice | None = TypeAdapter(ThresholdChoice | None).validate_python(threshold_by)
    model = _load(model_file, found["model_id"], found.pop("sha256"))
    try:
        frame, warnings = _rows(model, read_kept(table))
        if frame.height * model.encoder.width * 4 > memory:
            raise Invalid.at("/dataset_id", f"{frame.height:,} rows are more than memory can hold at once")
        x = model.encoder.encode(frame)
        evaluation = report_on(
            model, frame, model.answers_to(x), model.target.truth(frame, x), of="dataset", threshold_by=choice
        )
    except InvalidTarget as error:
        raise Invalid.at("/dataset_id", f"{error.detail} (of the rows that have a target)") from None
    except UnreadableTable as error:
        raise Invalid.at("/dataset_id", error.detail) from None
    except FileNotFoundError:
        raise Invalid.at("/dataset_id", f"data set {found['dataset_id']} has just been deleted") from None
    answer = Evaluated(rows=frame.height, warnings=warnings, evaluation=evaluation, **found)
    return {"json": answer.model_dump_json()}


def _load(path: Path, model_id: str, digest: str) -> AnyModel:
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise NotFound(f"model {model_id} has just been deleted") from None
    if sha256(data).hexdigest() != digest:
        raise RuntimeError(f"the file of {model_id} is damaged")
    return load_model(data)


def _rows(model: AnyModel, frame: pl.DataFrame) -> tuple[pl.DataFrame, list[str]]:
    """The rows that can be evaluated, with the columns that are needed, and what is odd about them."""
    if model.windows is not None:
        return _windows(model.windows, frame)
    types = {feature.name: feature.type for feature in model.features}
    targets = model.target.columns
    if absent := [name for name in (*types, *targets) if name not in frame.columns]:
        raise Invalid.at("/dataset_id", f"the data set has no column {', '.join(map(repr, absent))}")
    # Names in brackets: elsewhere polars takes "*" for a pattern.
    complete = with_values(frame[[*types, *targets]], targets)
    if complete.is_empty():
        raise Invalid.at("/dataset_id", f"no row has a value of {' and '.join(targets) or 'the features'}")
    complete = cast(complete, types)
    warnings = [
        warning for feature in model.features for warning in _oddities(feature, complete[feature.name])
    ]
    if dropped := frame.height - complete.height:
        of_target = f"{' or '.join(targets)} is missing in {dropped} of {frame.height} rows"
        warnings.insert(0, f"{of_target}, which are left out")
    return complete, warnings


def _windows(windows: SeriesWindows, frame: pl.DataFrame) -> tuple[pl.DataFrame, list[str]]:
    """The windows of a series whose targets are known, and what is odd about the rows."""
    names = [column.name for column in windows.columns]
    if absent := [name for name in names if name not in frame.columns]:
        raise Invalid.at("/dataset_id", f"the data set has no column {', '.join(map(repr, absent))}")
    rows = cast(frame[names], {column.name: column.type for column in windows.columns})
    warnings = [warning for column in windows.columns for warning in _oddities(column, rows[column.name])]
    return windows.examples(rows), warnings


def _oddities(feature: Feature, values: pl.Series) -> Iterator[str]:
    """What a prediction warns about row by row, counted."""
    if missing := values.null_count():
        yield f"{feature.name} is missing in {missing} of {len(values)} rows"
    known = feature.categories
    if known is not None and (unseen := values.drop_nulls().is_in(known).not_().sum()):
        yield f"unseen category in {feature.name} in {unseen} of {len(values)} rows"
