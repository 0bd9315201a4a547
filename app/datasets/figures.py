"""The rules of figures over whole data sets, which a child works out from the tables."""

from typing import Any

from sqlalchemy.orm import Session

from app.children import ChildFailed, call
from app.database import Database
from app.datasets import service
from app.problems import Invalid, NotFound
from app.settings import Settings
from app.storage import Storage
from engine.statistics.reports import CorrelationReport, DriftReport

MEASURING = "app.datasets.measuring"  # named, not imported: it brings polars, which only children need


def drift(
    database: Database, storage: Storage, settings: Settings, dataset_id: str, reference_id: str
) -> DriftReport:
    """How a data set differs from an earlier one; raises `NotFound`, and `Invalid` for a reference that is none."""
    with database.read() as session:
        types = _types(session, dataset_id)
        try:
            reference_types = _types(session, reference_id)
        except NotFound as problem:
            raise Invalid.at("/query/reference", problem.detail) from None
    paths = storage.dataset(dataset_id), storage.dataset(reference_id)
    answer = _in_child(settings, "drift_of", paths[0], types, paths[1], reference_types)
    return DriftReport.model_validate(answer)


def correlation(
    database: Database, storage: Storage, settings: Settings, dataset_id: str, columns: list[str] | None
) -> CorrelationReport:
    """How much a data set's columns say about each other; raises `NotFound`, and `Invalid` for wrong columns."""
    with database.read() as session:
        types = _types(session, dataset_id)
    answer = _in_child(settings, "correlation_of", storage.dataset(dataset_id), types, columns)
    return CorrelationReport.model_validate(answer)


def _types(session: Session, dataset_id: str) -> dict[str, Any]:
    return {column.name: column.type for column in service.get(session, dataset_id).columns}


def _in_child(settings: Settings, function: str, *args: object) -> dict[str, Any]:
    try:
        return call(
            f"{MEASURING}:{function}",
            *args,
            seconds=settings.evaluate_seconds,
            memory=settings.memory_budget,
        )
    except ChildFailed as error:
        raise Invalid(f"the figures could not be worked out: {error}", code="not_measurable") from None
