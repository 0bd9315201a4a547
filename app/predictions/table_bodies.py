"""Predictions for tables that come as bytes: an Arrow stream, a .npy file. Children answer them, each a part.

Neither the table nor its answer is ever in this process's memory as a whole.
"""

import os
import shutil
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import NamedTuple

from fastapi import Request
from fastapi.concurrency import contextmanager_in_threadpool

from app.children import ChildFailed, call
from app.datasets.formats import media_type
from app.datasets.receiving import receive_raw
from app.dependencies import Context
from app.ids import new_id
from app.predictions.schemas import Shape, TableQuestion
from app.problems import Invalid

ARROW, NPY = "application/vnd.apache.arrow.stream", "application/x-npy"
KINDS = {ARROW: "arrow", NPY: "npy"}
TIMES_AS_LARGE = 8  # as other bodies of predictions a table may be, since it takes no memory
PIECE = 1 << 20  # bytes of an answer that are sent at a time
BYTES_A_CHILD = 1 << 20  # of a body, below which another child would cost more than it saves


class Table(NamedTuple):
    """A body on the disk, in a folder that goes with its request, and how the answer is to be."""

    folder: Path
    bytes: int
    kind: str
    as_json: bool

    @property
    def body(self) -> Path:
        """The file."""
        return self.folder / "body"


def kind_of(request: Request) -> str | None:
    """Which of `KINDS` a body is, if any."""
    return KINDS.get(media_type(request.headers.get("content-type", "")))


@asynccontextmanager
async def received(request: Request, context: Context, kind: str) -> AsyncIterator[Table]:
    """The body, until the answer has been sent; raises `TooLarge`."""
    accepted = request.headers.get("accept", "")
    as_json = "application/json" in accepted or (kind == "npy" and ARROW not in accepted)
    async with contextmanager_in_threadpool(context.storage.scratch(new_id("req"))) as folder:
        table = Table(folder, 0, kind, as_json)
        written = await receive_raw(request, table.body, TIMES_AS_LARGE * context.settings.max_predict_bytes)
        yield table._replace(bytes=written)


def predict_table(context: Context, ref: str, table: Table, coverage: float | None, shape: Shape) -> Path:
    """A file with the answer to all rows, JSON or an Arrow stream.

    Raises `NotFound`, and `Invalid` where the table does not fit. `coverage`: of sets and intervals, as
    `app.predictions.service.predict` has it.
    """
    from app.predictions.service import resolved  # noqa: PLC0415 - it brings polars, which the start must not wait for

    found = resolved(context, ref)
    settings, storage = context.settings, context.storage
    question = TableQuestion(table.kind, table.as_json, coverage, shape)
    parts = min(_processors(), 1 + table.bytes // BYTES_A_CHILD) if question.has_parts else 1
    answer = partial(
        call,
        "app.predictions.answering_tables:answer_table",
        storage.model(found.id),
        found._asdict(),
        table.body,
        question,
        seconds=settings.evaluate_seconds,
        memory=settings.memory_budget // parts,
    )
    answers = [table.folder / f"answer-{part}" for part in range(parts)]
    with ThreadPoolExecutor(parts) as pool:
        try:
            list(pool.map(answer, answers, [(part, parts) for part in range(parts)]))
        except ChildFailed as error:
            raise Invalid(f"the table could not be answered: {error}", code="unreadable_file") from None
    first, *others = answers
    with first.open("ab") as whole:
        for other in others:
            with other.open("rb") as part:
                shutil.copyfileobj(part, whole)
    return first


def pieces(file: Path) -> Iterator[bytes]:
    """The file, piece by piece."""
    with file.open("rb") as opened:
        while piece := opened.read(PIECE):
            yield piece


def _processors() -> int:
    """The processors that this process may use."""
    return len(os.sched_getaffinity(0))
