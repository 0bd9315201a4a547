"""Asking models: the one place where a Model runs.

Imports polars; routes.py imports this module when the first question comes.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256

import polars as pl

from app.datasets import service as datasets
from app.datasets.tables import read_kept
from app.dependencies import Context
from app.models import service as models
from app.models.schemas import ModelItem
from app.predictions.reading import Inputs, Records
from app.predictions.schemas import Evaluated
from app.problems import Invalid, NotFound
from engine.encoding import Feature, InvalidTarget, InvalidValue, UnreadableTable
from engine.encoding.columns import cast
from engine.encoding.records import frame_from_records, frame_from_rows
from engine.evaluation import AnyEvaluation, evaluate
from engine.model import Model, model_bytes
from engine.planning import with_values


@dataclass(frozen=True)
class Answers:
    """A model's answers to rows: `schemas.Predictions` before it is JSON."""

    model_id: str
    version: int
    predictions: list[dict[str, object]]


def predict(context: Context, ref: str, rows: Records | Inputs) -> Answers:
    """Answer raw rows; raises `NotFound`, and `Invalid` where a value is of an impossible type."""
    with context.database.read() as session:
        found = models.resolve(session, ref)
    model = _load(context, found)
    try:
        if isinstance(rows, Inputs):
            frame, warnings = frame_from_rows(rows.rows, model.features)
        else:
            frame, warnings = frame_from_records(rows.rows, model.features)
    except InvalidValue as error:
        raise rows.located(error, model.features) from None
    answers = [
        {**prediction, "warnings": of_row}
        for prediction, of_row in zip(model.predict(frame), warnings, strict=True)
    ]
    return Answers(found.id, found.version, answers)


def evaluate_on(context: Context, ref: str, dataset_id: str) -> Evaluated:
    """Hold a model against the rows of a data set; raises `NotFound`, and `Invalid` where they do not fit."""
    with context.database.read() as session:  # ended before the work: an open one would hold up writers
        found = models.resolve(session, ref)
        try:
            datasets.get(session, dataset_id)
        except NotFound as problem:
            raise Invalid.at("/dataset_id", problem.detail) from None
    model = _load(context, found)
    try:
        frame, warnings = _rows(model, read_kept(context.storage.dataset(dataset_id)))
        if frame.height * model.encoder.width * 4 > context.settings.memory_budget:
            raise Invalid.at("/dataset_id", f"{frame.height:,} rows are more than memory can hold at once")
        evaluation = _evaluate(model, frame)
    except InvalidTarget as error:
        raise Invalid.at("/dataset_id", f"{error.detail} (of the rows that have a target)") from None
    except UnreadableTable as error:
        raise Invalid.at("/dataset_id", error.detail) from None
    except FileNotFoundError:
        raise Invalid.at("/dataset_id", f"data set {dataset_id} has just been deleted") from None
    return Evaluated(
        model_id=found.id,
        version=found.version,
        dataset_id=dataset_id,
        rows=frame.height,
        warnings=warnings,
        evaluation=evaluation,
    )


def _load(context: Context, found: ModelItem) -> Model:
    """The model, from memory or from its file."""

    def load() -> tuple[Model, int]:
        data = context.storage.model(found.id).read_bytes()
        if sha256(data).hexdigest() != found.sha256:
            raise RuntimeError(f"the file of {found.id} is damaged")
        model = Model.from_bytes(data)
        return model, model_bytes(model.network, model.encoder.width)

    try:
        return context.loaded.get(found.id, load)
    except FileNotFoundError:
        raise NotFound(f"model {found.id} has just been deleted") from None


def _rows(model: Model, frame: pl.DataFrame) -> tuple[pl.DataFrame, list[str]]:
    """The rows that can be evaluated, with the columns that are needed, and what is odd about them."""
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


def _oddities(feature: Feature, values: pl.Series) -> Iterator[str]:
    """What a prediction warns about row by row, counted."""
    if missing := values.null_count():
        yield f"{feature.name} is missing in {missing} of {len(values)} rows"
    known = feature.categories
    if known is not None and (unseen := values.drop_nulls().is_in(known).not_().sum()):
        yield f"unseen category in {feature.name} in {unseen} of {len(values)} rows"


def _evaluate(model: Model, frame: pl.DataFrame) -> AnyEvaluation:
    x = model.encoder.encode(frame)
    return evaluate(model.target, model.answers_to(x), model.target.truth(frame, x))
