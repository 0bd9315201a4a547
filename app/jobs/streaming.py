"""A job's log of events as a stream of server-sent events."""

import asyncio
from collections.abc import AsyncIterator
from itertools import groupby
from typing import Any

from fastapi.sse import ServerSentEvent
from starlette.concurrency import run_in_threadpool

from app.auth import service as keys
from app.database import Database
from app.events import store as events
from app.jobs import service, store

POLL_SECONDS = 0.2
MAX_POINTS = 500  # in one event; a longer run of epochs is thinned


async def follow(
    database: Database, job_id: str, after: int, key_id: str | None
) -> AsyncIterator[ServerSentEvent]:
    """The events after the sequence number `after`, until `done` or until the caller's key ends.

    No session is held between two looks.
    """
    while (batch := await run_in_threadpool(_look, database, job_id, after, key_id)) is not None:
        for event in batch:
            yield event
            after = int(event.id or after)
            if event.event == "done":
                return
        if not batch:
            await asyncio.sleep(POLL_SECONDS)


def _look(database: Database, job_id: str, after: int, key_id: str | None) -> list[ServerSentEvent] | None:
    """What has been committed since; None where nothing more will come.

    Epochs in a row become one event with the id of the last.
    """
    with database.read() as session:
        if not keys.in_force(session, key_id):
            return None
        rows = events.after(session, job_id, after)
        if not rows and not store.goes_on(session, job_id):
            return None
        sent = []
        for kind, group in groupby(rows, key=lambda row: row.kind):
            if kind != "epoch":
                sent += [_event(row.sequence, kind, row.data) for row in group]
                continue
            run = list(group)
            points = service.points(session, job_id, run[0].data["first"], run[-1].data["last"], MAX_POINTS)
            data = {"points": [point.model_dump(mode="json") for point in points]}
            sent.append(_event(run[-1].sequence, "epoch", data))
        return sent


def _event(sequence: int, kind: str, data: dict[str, Any]) -> ServerSentEvent:
    return ServerSentEvent(id=str(sequence), event=kind, data=data)
