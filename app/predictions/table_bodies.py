"""Predictions for tables that come as bytes: an Arrow stream, a .npy file. Children answer them, each a part."""

import os
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import NamedTuple

from app.children import ChildFailed, call
from app.dependencies import Context
from app.ids import new_id
from app.predictions.schemas import Shape, TableQuestion
from app.problems import Invalid

ARROW, NPY = "application/vnd.apache.arrow.stream", "application/x-npy"
KINDS = {ARROW: "arrow", NPY: "npy"}
BYTES_A_CHILD = 1 << 20  # of a body, below which another child would cost more than it saves


class Table(NamedTuple):
    """A body, and how the answer is to be."""

    body: bytes
    kind: str
    as_json: bool


def predict_table(context: Context, ref: str, table: Table, coverage: float | None, shape: Shape) -> bytes:
    """The answer to all rows, as JSON or as an Arrow stream; raises `NotFound`, and `Invalid` where it does not fit.

    `coverage`: of sets and intervals, as `app.predictions.service.predict` has it.
    """
    from app.predictions.service import resolved  # noqa: PLC0415 - it brings polars, which the start must not wait for

    found = resolved(context, ref)
    settings, storage = context.settings, context.storage
    question = TableQuestion(table.kind, table.as_json, coverage, shape)
    parts = min(_processors(), 1 + len(table.body) // BYTES_A_CHILD) if question.has_parts else 1
    with storage.scratch(new_id("req")) as folder, ThreadPoolExecutor(parts) as pool:
        (folder / "body").write_bytes(table.body)
        answer = partial(
            call,
            "app.predictions.answering_tables:answer_table",
            storage.model(found.id),
            found._asdict(),
            folder / "body",
            question,
            seconds=settings.evaluate_seconds,
            memory=settings.memory_budget // parts,
        )
        answers = [folder / f"answer-{part}" for part in range(parts)]
        try:
            list(pool.map(answer, answers, [(part, parts) for part in range(parts)]))
        except ChildFailed as error:
            raise Invalid(f"the table could not be answered: {error}", code="unreadable_file") from None
        return b"".join(answer.read_bytes() for answer in answers)


def _processors() -> int:
    """The processors that this process may use."""
    return len(os.sched_getaffinity(0))
