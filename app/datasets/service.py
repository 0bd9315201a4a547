"""The rules of data sets.

Only children look into tables (app/datasets/runner.py); the API moves files and keeps the rows. A table is
durable under its final name before a row names it, and its row goes before its file does.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from app.children import ChildFailed, call
from app.database import Database, now
from app.datasets import store
from app.datasets.early_reading import EarlyReading
from app.datasets.reading_options import ReadOptions
from app.datasets.receiving import Upload
from app.datasets.schemas import DatasetChanges, DatasetDetail, DatasetItem, Rows, TableReport
from app.datasets.store import DatasetRow
from app.ids import new_id
from app.paging import Page, page
from app.problems import Conflict, Invalid, NotFound
from app.quotas import check_space
from app.settings import Settings
from app.storage import Storage, publish, remove, sync

RUNNER = "app.datasets.runner"  # named, not imported: it brings polars, which only children need
ROWS_SECONDS = 30


def read_upload(upload: Upload, settings: Settings, options: ReadOptions, early: EarlyReading) -> TableReport:
    """Turn an upload into the file `early.table`, durable already, and say what is in it.

    `early` may have read it already. Raises `Invalid` with the code `unreadable_file`. No session is held
    meanwhile.
    """
    options.check(upload.format)
    report = early.report()
    if report is None:
        report = _in_child("read_table", settings, upload.path, upload.format, early.table, options)
    sync(early.table)  # here, since inside the transaction it would hold up every other writer
    return TableReport.model_validate(report)


@contextmanager
def creating(database: Database, storage: Storage, dataset_id: str) -> Iterator[Session]:
    """A session for `create`; if it does not commit, the file goes as well."""
    try:
        with database.write() as session:
            yield session
    except BaseException:
        remove(storage.dataset(dataset_id))
        raise


def create(
    session: Session,
    storage: Storage,
    dataset_id: str,
    name: str,
    upload: Upload,
    table: Path,
    report: TableReport,
) -> DatasetDetail:
    """Keep what `read_upload` read."""
    check_space(session, upload.bytes)
    publish(table, storage.dataset(dataset_id))
    row = DatasetRow(
        id=dataset_id,
        name=name,
        tags=[],
        format=upload.format,
        bytes=upload.bytes,
        sha256=upload.sha256,
        created_at=now(),
        **report.model_dump(mode="json"),
    )
    session.add(row)
    session.flush()
    return DatasetDetail.model_validate(row)


def listed(
    session: Session, *, name: str | None, tag: str | None, limit: int, cursor: str | None
) -> Page[DatasetItem]:
    """A page of data sets."""
    query = store.matching(name, tag)
    return page(session, query, DatasetRow.id, limit=limit, cursor=cursor, view=DatasetItem.model_validate)


def get(session: Session, dataset_id: str) -> DatasetDetail:
    """The data set; raises `NotFound`."""
    return DatasetDetail.model_validate(_row(session, dataset_id))


def rows(
    database: Database, storage: Storage, settings: Settings, dataset_id: str, *, offset: int, limit: int
) -> Rows:
    """Rows of a data set from `offset` on."""
    with database.read() as session:
        total = _row(session, dataset_id).rows
    answer = _in_child(
        "read_rows", settings, storage.dataset(dataset_id), offset, limit, seconds=ROWS_SECONDS
    )
    end = offset + limit
    return Rows(items=answer["items"], next_cursor=str(end) if end < total else None)


def change(
    database: Database, storage: Storage, settings: Settings, dataset_id: str, changes: DatasetChanges
) -> DatasetDetail:
    """Rename, tag, or read columns as other types.

    Raises `Invalid` with a pointer to a column that cannot be of its new type, and `Conflict` where
    somebody else changed the columns meanwhile.
    """
    with database.read() as session:
        before = get(session, dataset_id)
    if not changes.columns:
        with database.write() as session:
            return _described(session, dataset_id, changes)
    with storage.scratch(new_id("ds")) as folder:
        table = folder / "table.arrow"
        report = _retyped(before, changes, storage, table, settings)
        sync(table)
        with (
            _replacing(storage.dataset(dataset_id), table, folder / "before.arrow"),
            database.write() as session,
        ):
            row = _row(session, dataset_id)
            if DatasetDetail.model_validate(row).columns != before.columns:
                raise Conflict(
                    "somebody else changed the columns at the same time; get the data set and try again"
                )
            row.columns, row.warnings = report["columns"], report["warnings"]
            publish(table, storage.dataset(dataset_id))
            return _described(session, dataset_id, changes)


def delete(database: Database, storage: Storage, dataset_id: str) -> None:
    """Forget a data set; raises `Conflict` while an unfinished job needs it."""
    try:
        with database.write() as session:
            session.delete(_row(session, dataset_id))
    except IntegrityError:
        raise Conflict(
            f"the data set {dataset_id} is still in use by a job that is not finished; cancel the job first"
        ) from None
    remove(storage.dataset(dataset_id))


def _row(session: Session, dataset_id: str) -> DatasetRow:
    row = store.get(session, dataset_id)
    if row is None:
        raise NotFound(f"there is no data set {dataset_id[:100]}")
    return row


def _described(session: Session, dataset_id: str, changes: DatasetChanges) -> DatasetDetail:
    row = _row(session, dataset_id)
    if changes.name is not None:
        row.name = changes.name
    if changes.tags is not None:
        row.tags = list(dict.fromkeys(changes.tags))
    session.flush()
    return DatasetDetail.model_validate(row)


def _retyped(
    before: DatasetDetail, changes: DatasetChanges, storage: Storage, table: Path, settings: Settings
) -> dict[str, Any]:
    types = {column.name: column.type for column in before.columns}
    wanted = {column.name: column.type for column in changes.columns or []}
    report = _in_child("retype_table", settings, storage.dataset(before.id), types, wanted, table)
    kept = [  # values that are missing by now: the table itself cannot tell any more
        warning.model_dump(mode="json")
        for warning in before.warnings
        if warning.code in {"infinite_values", "ignored_files"}
    ]
    return {**report, "warnings": [*kept, *report["warnings"]]}


@contextmanager
def _replacing(final: Path, unfinished: Path, before: Path) -> Iterator[None]:
    """Put the old file back if what is done here fails after the new one took its place."""
    try:
        os.link(final, before)
    except FileNotFoundError:
        raise NotFound("the data set was deleted a moment ago") from None
    try:
        yield
    except BaseException:
        if not unfinished.exists():
            before.replace(final)
        raise


def _in_child(
    function: str, settings: Settings, *args: object, seconds: float | None = None
) -> dict[str, Any]:
    try:
        return call(
            f"{RUNNER}:{function}",
            *args,
            seconds=seconds or settings.read_seconds,
            memory=settings.memory_budget,
        )
    except ChildFailed as error:
        raise Invalid(f"the file could not be read: {error}", code="unreadable_file") from None
