"""Predictions for tables that come as bytes: an Arrow stream, a .npy file. A child reads them."""

from functools import partial
from typing import NamedTuple

from app.children import ChildFailed, call
from app.dependencies import Context
from app.ids import new_id
from app.problems import Invalid

ARROW, NPY = "application/vnd.apache.arrow.stream", "application/x-npy"
KINDS = {ARROW: "arrow", NPY: "npy"}


class Table(NamedTuple):
    """A body, and how the answer is to be."""

    body: bytes
    kind: str
    as_json: bool


def predict_table(context: Context, ref: str, table: Table) -> bytes:
    """The answer to all rows, as JSON or as an Arrow stream; raises `NotFound`, and `Invalid` where it does not fit."""
    from app.predictions.service import resolved  # noqa: PLC0415 - it brings polars, which the start must not wait for

    found = resolved(context, ref)
    settings, storage = context.settings, context.storage
    with storage.scratch(new_id("req")) as folder:
        (folder / "body").write_bytes(table.body)
        answer = partial(call, "app.predictions.answering_tables:answer_table", storage.model(found.id))
        try:
            answer(
                found._asdict(),
                folder / "body",
                table.kind,
                folder / "answer",
                table.as_json,
                seconds=settings.evaluate_seconds,
                memory=settings.memory_budget,
            )
        except ChildFailed as error:
            raise Invalid(f"the table could not be answered: {error}", code="unreadable_file") from None
        return (folder / "answer").read_bytes()
