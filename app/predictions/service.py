"""Asking models: the one place where a Model runs.

Imports polars; routes.py imports this module when the first question comes.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from itertools import chain

from pydantic import TypeAdapter

from app.children import ChildFailed, call
from app.datasets import service as datasets
from app.dependencies import Context, FoundModel
from app.models import service as models
from app.models.schemas import ModelItem
from app.predictions.deciding import shortage_of
from app.predictions.reading import Inputs, Records
from app.predictions.schemas import Shape
from app.predictions.shaping import only_features, shape, warned
from app.problems import Invalid, NotFound
from engine.encoding import InvalidValue, UnreadableTable
from engine.encoding.records import frame_from_records, frame_from_rows
from engine.ensemble import AnyModel, load_model
from engine.model_file import mapped
from engine.trust.assurance import DEFAULT_COVERAGE
from engine.trust.thresholds import ThresholdChoice


@dataclass(frozen=True)
class Answers:
    """A model's answers to rows: `schemas.Predictions` before it is JSON."""

    model_id: str
    version: int
    predictions: list[dict[str, object]]


def predict(context: Context, ref: str, rows: Records | Inputs, coverage: float | None = None) -> Answers:
    """Answer raw rows; raises `NotFound`, and `Invalid` where a value is of an impossible type.

    Rows over time are answered by a forecast of each series, whose warnings are those of all rows. `coverage`: of sets
    and intervals, `DEFAULT_COVERAGE` if None; asked of a model that has none it is `Invalid` too.
    """
    found, model = loaded_by_reference(context, ref)
    short = shortage_of(model, coverage)
    return answers_of(found, *answered(model, rows, coverage or DEFAULT_COVERAGE), short)


def answered(
    model: AnyModel, rows: Records | Inputs, coverage: float
) -> tuple[Sequence[Mapping[str, object]], Sequence[Sequence[str]]]:
    """A model's predictions for raw rows, and the warnings of each; raises `Invalid` as `predict` does."""
    try:
        if isinstance(rows, Inputs):
            frame, warnings = frame_from_rows(rows.rows, model.features)
        else:
            frame, warnings = frame_from_records(rows.rows, model.features)
    except InvalidValue as error:
        raise rows.located(error, model.features) from None
    try:
        predictions = model.predict(frame, coverage)
    except UnreadableTable as error:
        raise Invalid(error.detail) from None
    if model.windows is not None:
        warnings = [list(dict.fromkeys(chain.from_iterable(warnings)))] * len(predictions)
    return predictions, warnings


def predict_plain(found: FoundModel, model: AnyModel, records: Sequence[Mapping[str, object]]) -> Answers:
    """The same of a few records, without a frame; raises `NotPlain` where it takes one."""
    return answers_of(found, *model.predict_plain(records), shortage_of(model, None))


def answers_of(
    found: FoundModel,
    predictions: Sequence[Mapping[str, object]],
    warnings: Sequence[Sequence[str]],
    of_all: Sequence[str],
) -> Answers:
    """A model's predictions with the warnings of each, and those of all."""
    return Answers(found.id, found.version, warned(predictions, warnings, of_all))


def shaped(context: Context, answers: Answers, rows: Records | Inputs, wanted: Shape) -> Answers:
    """The answers as they are asked for; raises `Invalid` for what does not suit the model."""
    if wanted == Shape():
        return answers
    _, model = loaded_by_reference(context, answers.model_id)
    sent: Iterable[Mapping[str, object]] = rows.rows if isinstance(rows, Records) else ()
    if isinstance(rows, Inputs):
        only_features(wanted.columns, model)
        names = [feature.name for feature in model.features]
        sent = (dict(zip(names, row, strict=True)) for row in rows.rows)
    shape(answers.predictions, sent, model, wanted)
    return answers


def evaluate_on(
    context: Context, ref: str, dataset_id: str, threshold_by: ThresholdChoice | None = None
) -> str:
    """Hold a model against the rows of a data set: `schemas.Evaluated` as JSON text.

    `threshold_by`: how to choose the threshold of a binary answer. Raises `NotFound`, and `Invalid` where the rows
    do not fit or are more than its limits allow.
    """
    with context.database.read() as session:  # ended before the work: an open one would hold up writers
        found = models.resolve(session, ref)
        try:
            datasets.get(session, dataset_id)
        except NotFound as problem:
            raise Invalid.at("/dataset_id", problem.detail) from None
    if threshold_by is not None and found.task != "binary":
        raise Invalid.at(
            "/threshold_by", f"a threshold is for models of two classes, this one is {found.task}"
        )
    about = {"model_id": found.id, "version": found.version, "dataset_id": dataset_id, "sha256": found.sha256}
    settings, storage = context.settings, context.storage
    try:
        answer = call(
            "app.predictions.evaluating:evaluate",
            storage.model(found.id),
            storage.dataset(dataset_id),
            settings.memory_budget,
            about,
            None
            if threshold_by is None
            else TypeAdapter(ThresholdChoice).dump_python(threshold_by, mode="json"),
            seconds=settings.evaluate_seconds,
            memory=settings.memory_budget,
        )
    except ChildFailed as error:
        raise Invalid.at("/dataset_id", f"the model could not be evaluated on it: {error}") from None
    return str(answer["json"])


def resolved(context: Context, ref: str) -> FoundModel:
    """The model that `ref` names: remembered until the database changes. Raises `NotFound`."""
    known, version = context.named.get((context.owner, ref))
    if known is not None:
        return known
    with context.database.read() as session:
        item = models.resolve(session, ref)
    found = FoundModel(item.id, item.version, item.sha256)
    context.named.keep((context.owner, ref), found, version)
    return found


def loaded_by_reference(context: Context, ref: str) -> tuple[FoundModel, AnyModel]:
    """The model that `ref` names; another one where it was moved and its old model deleted in this moment."""
    found = resolved(context, ref)
    try:
        return found, loaded(context, found)
    except NotFound:
        found = resolved(context, ref)
        return found, loaded(context, found)


def loaded(context: Context, found: ModelItem | FoundModel) -> AnyModel:
    """The model, from memory or from its file; ready for single records."""

    def load() -> tuple[AnyModel, int]:
        data = mapped(context.storage.model(found.id))
        if sha256(data).hexdigest() != found.sha256:
            raise RuntimeError(f"the file of {found.id} is damaged")
        model = load_model(data)
        model.make_ready()
        return model, model.memory_bytes

    try:
        return context.loaded.get(found.id, load)
    except FileNotFoundError:
        raise NotFound(f"model {found.id} has just been deleted") from None
