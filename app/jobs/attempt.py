"""An attempt of a job from its worker's side: writes what the process tells, passes on what people want."""

import logging
import time
from collections.abc import Callable
from typing import Any

from sqlalchemy.orm import Session

from app.database import Database
from app.failpoints import failpoint
from app.jobs import checkpoints, queue
from app.jobs.process import JobProcess
from app.jobs.queue import Held
from app.jobs.success import succeed
from app.storage import Storage
from engine.training import Changes

logger = logging.getLogger(__name__)

End = Callable[[Session], None]
"""How an attempt ends, as a transaction."""
Success = Callable[[Session, Storage, Held, dict[str, Any]], None]


class Attempt:
    """A job that a process has begun."""

    def __init__(
        self,
        database: Database,
        storage: Storage,
        job: Held,
        process: JobProcess,
        grace_seconds: float,
        success: Success = succeed,
    ) -> None:
        """`grace_seconds`: that the process has for its last checkpoint when the worker ends.

        `success`: writes what the process has made and ends the job.
        """
        self.job = job
        self.process = process
        self._database = database
        self._storage = storage
        self._success = success
        self._grace_seconds = grace_seconds
        self._sent = len(job.changes)
        self._saving = False  # whether the process was asked to save and end
        self._deadline: float | None = None

    def remaining(self, most: float) -> float:
        """Seconds until something is due, at most `most`."""
        return most if self._deadline is None else max(min(self._deadline - time.monotonic(), most), 0.0)

    def hear(self) -> End | None:
        """Take one message of the process; how the attempt ends, if it does. Raises `LeaseLost`."""
        message, job = self.process.receive(), self.job
        match message.pop("kind"):
            case "stopped":
                return self.give_back
            case "died":
                failpoint("before-crash")
                detail = message["detail"]
                return lambda session: queue.crash(session, job, "process_died", detail)
            case "failed":
                logger.warning("job failed", extra=message)
                code, detail = message["code"], message["detail"]
                return lambda session: queue.fail(session, job, code, detail)
            case "done":
                return lambda session: self._succeed(session, message)
            case kind:
                self._write(kind, message)
                return None

    def heed(self, *, stopping: bool) -> End | None:
        """Pass on what people want; how the attempt ends, if it does. Raises `LeaseLost`.

        `stopping`: the worker is about to end.
        """
        with self._database.read() as session:
            asked = queue.asked(session, self.job)
        if asked.cancel:
            return lambda session: queue.cancel(session, self.job)
        for change in asked.changes[self._sent :]:
            self.process.change({name: change[name] for name in Changes.model_fields})
        self._sent = len(asked.changes)
        if (stopping or asked.pause) and not self._saving:
            self.process.save_and_end()
            self._saving = True
        if stopping and self._deadline is None:
            self._deadline = time.monotonic() + self._grace_seconds
        return self.give_back if self._deadline is not None and self.remaining(1.0) == 0 else None

    def give_back(self, session: Session) -> None:
        """End the attempt, not the job."""
        failpoint("before-give-back")
        queue.give_back(session, self.job)

    def tidy(self) -> None:
        """Remove the files of checkpoints that are forgotten."""
        with self._database.read() as session:
            checkpoints.tidy(session, self._storage, self.job)

    def _succeed(self, session: Session, done: dict[str, Any]) -> None:
        failpoint("before-success")
        self._success(session, self._storage, self.job, done)

    def _write(self, kind: str, message: dict[str, Any]) -> None:
        """Write what the process tells on its way, and nothing of the rest."""
        job = self.job
        match kind:
            case "points":
                failpoint("before-record")
                with self._database.write() as session:
                    queue.record(session, job, message["points"])
                failpoint("after-record")
            case "progress":
                with self._database.write() as session:
                    queue.report(session, job, message["progress"])
            case "checkpoint":
                failpoint("before-register")
                with self._database.write() as session:
                    checkpoints.register(session, self._storage, job, message["written"])
                failpoint("after-register")
                self.tidy()
            case "applied":
                with self._database.write() as session:
                    queue.took_effect(session, job, message["first"], message["steps"])
            case "resumed":
                with self._database.write() as session:
                    queue.resumed(session, job, **message)
            case "findings":
                with self._database.write() as session:
                    queue.find(session, job, message["findings"])
            case "log":
                with self._database.write() as session:
                    queue.log(session, job, message["message"])
            case _:
                raise ValueError(f"the job's process sent a message of kind {kind!r}")
