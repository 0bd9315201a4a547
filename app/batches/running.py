"""Child process: a model's answers to all rows of a data set, in parts that are small in memory, into one file.

It knows no database: it tells the worker over a pipe, in JSON, and ends by itself when the worker dies. Another attempt
goes on after the parts that are there.
"""

import time
from hashlib import file_digest, sha256
from multiprocessing.connection import Connection
from typing import Any

import polars as pl
from threadpoolctl import ThreadpoolController

from app.batches.answer_table import answer_table
from app.batches.parts import Parts
from app.batches.schemas import BatchRun
from app.batches.suitability import check_model
from app.children import limit_memory
from app.datasets.tables import read_kept
from app.failpoints import failpoint
from app.jobs.child import begin, failures_told, send
from app.jobs.execution import Stopped
from app.jobs.signals import END, SAVE_AND_END, Signals
from app.predictions.deciding import decide, shortage_of
from app.predictions.shaping import warned
from app.problems import Invalid
from app.storage import Storage, full_disk_told, publish
from engine import kernels
from engine.encoding import UnreadableTable
from engine.encoding.columns import cast
from engine.encoding.records import oddities
from engine.ensemble import AnyModel, load_model
from engine.trust.assurance import DEFAULT_COVERAGE

PART_VALUES = 1 << 21  # encoded values of a part, at most
PART_ROWS = 10_000
TELL_SECONDS = 0.5
BLAS = ThreadpoolController()


def predict(pipe: Connection, signals: Signals) -> None:
    """Wait for a `BatchRun` in JSON on the pipe, carry it out, and tell of it on the same pipe."""
    begin()
    try:
        run = BatchRun.model_validate_json(pipe.recv_bytes())
    except EOFError:  # the worker ended before
        return
    with failures_told(pipe):
        limit_memory(run.memory)
        storage = Storage(run.data)
        kernels.use("numpy")  # as in the API, whose answers these are
        with BLAS.limit(limits=1, user_api="blas"), full_disk_told():
            parts = Parts(storage.parts_of(run.batch_id), storage.dataset(run.dataset_id))
            _answer(run, parts, _Teller(pipe, signals, parts.rows, run.total))
            unfinished = parts.joined(run.scratch, run.format)
        done: dict[str, Any] = {"format": run.format, "rows": run.total, "bytes": unfinished.stat().st_size}
        with unfinished.open("rb") as file:
            done["sha256"] = file_digest(file, "sha256").hexdigest()
        publish(unfinished, storage.batch(run.batch_id, run.format))
        send(pipe, "done", **done)


class _Teller:
    """Tells how far it is, now and then, and listens for an end."""

    def __init__(self, pipe: Connection, signals: Signals, before: int, total: int) -> None:
        """`before`: rows that earlier attempts have answered."""
        self._pipe = pipe
        self._signals = signals
        self._before = before
        self._total = total
        self._began = self._told = time.monotonic()

    def at(self, rows: int) -> None:
        """So many rows are answered; raises `Stopped`."""
        if self._signals.stop == SAVE_AND_END:
            send(self._pipe, "stopped")
        if self._signals.stop in {END, SAVE_AND_END}:
            raise Stopped
        now = time.monotonic()
        if now - self._told < TELL_SECONDS:
            return
        self._told, seconds, new = now, now - self._began, rows - self._before
        progress = {
            "rows": rows,
            "total": self._total,
            "fraction": rows / self._total,
            "seconds": seconds,
            "eta_seconds": seconds / new * (self._total - rows) if new else None,
        }
        send(self._pipe, "progress", progress=progress)


def _answer(run: BatchRun, parts: Parts, teller: _Teller) -> None:
    """Answer the rows that no part holds yet."""
    model = _load(run)
    check_model(model, run)
    rows = max(1, min(PART_ROWS, PART_VALUES // max(model.encoder.width, 1)))
    for first in range(parts.rows, run.total, rows):
        teller.at(first)
        failpoint("before-part")
        parts.add(_answered(model, run, read_kept(parts.table, first, rows), first), run.scratch)


def _load(run: BatchRun) -> AnyModel:
    data = Storage(run.data).model(run.model_id).read_bytes()
    if sha256(data).hexdigest() != run.model_sha256:
        raise RuntimeError(f"the file of {run.model_id} is damaged")
    return load_model(data)


def _answered(model: AnyModel, run: BatchRun, kept: pl.DataFrame, first: int) -> pl.DataFrame:
    """The answers to some rows, as `POST /v1/models/{ref}/predict` gives them."""
    types = {feature.name: feature.type for feature in model.features}
    try:
        frame = cast(kept[list(types)], types)  # names in brackets: elsewhere polars takes "*" for a pattern
    except UnreadableTable as error:
        raise Invalid(error.detail) from None
    answered = model.predict(frame, run.interval or DEFAULT_COVERAGE)
    predictions = warned(answered, oddities(frame, model.features), shortage_of(model, run.interval))
    if run.threshold is not None:
        decide(predictions, model.target, run.threshold)
    beside = [kept[name] for name in run.columns]
    return answer_table(first, predictions, beside, _label_type(model))


def _label_type(model: AnyModel) -> pl.DataType:
    classes = getattr(model.target, "classes", ())
    return pl.Series(list(classes)).dtype if classes else pl.String()
