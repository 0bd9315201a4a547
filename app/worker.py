"""The worker: claims a job, runs it in a process of its own, writes what that process tells.

Imports no FastAPI. One job at a time; more workers run more jobs.
"""

import ctypes
import json
import logging
import os
import signal
import socket
import time
from collections.abc import Callable
from multiprocessing import connection
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any

from sqlalchemy.orm import Session

from app import children
from app.database import Database, now
from app.ids import new_id
from app.jobs import queue
from app.jobs.assignment import Assignment, Inputs, Run
from app.jobs.queue import HEARTBEAT_SECONDS, Held, LeaseLost
from app.jobs.store import WorkerRow
from app.jobs.wake import WakeSocket
from app.models import service as models
from app.models.service import NewModel
from app.observability import job_id
from app.settings import Settings
from app.storage import Storage
from engine.goal import GoalSpec
from engine.network import NetworkSpec
from engine.training import TrainingSpec

POLL_SECONDS = 1.0  # behind the wake-up, which is only a hint
STOP_SECONDS = 5.0  # that a job's process has to end by itself

logger = logging.getLogger(__name__)

End = Callable[[Session], None]
"""How a job ends, as a transaction."""


class Worker:
    """Runs jobs until it is told to stop."""

    def __init__(self, settings: Settings, lifeline: int | None = None) -> None:
        """`lifeline`: a pipe whose other end the parent holds; the worker stops when the parent is gone."""
        self._settings = settings
        self._database = Database(settings.url)
        self._storage = Storage(settings.data)
        self._lifeline = lifeline
        self._row = WorkerRow(
            id=new_id("wrk"), pid=os.getpid(), host=socket.gethostname(), started_at=now(), seen_at=now()
        )
        self._wake = WakeSocket(self._storage.run, self._row.id)
        self._spare: Child | None = None  # started before there is a job, so that no job waits for that
        self._beaten = float("-inf")
        self._stopping = False

    def run(self) -> None:
        """Claim and run jobs; ends after SIGTERM, SIGINT or the parent's end, and gives its job back."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._on_signal)
        self._beat()
        children.start_fork_server()
        logger.info("worker started", extra={"worker_id": self._row.id})
        try:
            while not self._stopping:
                self._beat()
                job = self._claim()
                if job is None:
                    self._spare = self._spare or Child()
                    self._wait([], POLL_SECONDS)
                else:
                    self._run(job)
        finally:
            if self._spare is not None:
                self._spare.end()
            self._wake.close()
            with self._database.write() as session:
                queue.leave(session, self._row.id)
            self._database.close()
            logger.info("worker stopped", extra={"worker_id": self._row.id})

    def _on_signal(self, _number: int, _frame: object) -> None:
        self._stopping = True
        self._wake.poke()  # ends a wait at once

    def _wait(self, more: list[Connection], seconds: float) -> list[object]:
        """Wait for `more`, a hint, the parent's end or the time to be over; what is ready."""
        lifeline = [] if self._lifeline is None else [self._lifeline]
        ready: list[object] = list(connection.wait([self._wake.fileno(), *lifeline, *more], seconds))
        if self._lifeline in ready:
            self._stopping = True
        self._wake.drain()
        return ready

    def _beat(self, job: Held | None = None) -> None:
        """Now and then: give a sign of life, keep the job, look for jobs whose worker gives no sign."""
        if time.monotonic() - self._beaten < HEARTBEAT_SECONDS:
            return
        with self._database.write() as session:
            queue.beat(session, self._row)
            queue.rescue(session)
            if job is not None:
                queue.renew(session, job)
        self._beaten = time.monotonic()

    def _claim(self) -> Held | None:
        with self._database.read() as session:  # most looks find nothing, and take no writer's lock for it
            if not queue.waiting(session):
                return None
        with self._database.write() as session:
            return queue.claim(session, self._row.id)

    def _run(self, job: Held) -> None:
        """Run a job to its end, whatever that is."""
        token = job_id.set(job.id)
        logger.info("job started", extra={"attempt": job.attempt})
        try:
            with self._storage.scratch(f"{job.id}-{job.attempt}") as scratch:
                child = self._take_child()
                try:
                    child.begin(self._describe(job, scratch))
                    end = self._follow(job, child)
                    with self._database.write() as session:
                        end(session)
                    logger.info("job ended")
                finally:
                    child.end()
        except LeaseLost:
            logger.warning("the job is not this worker's any more")
        finally:
            job_id.reset(token)

    def _take_child(self) -> "Child":
        """The process that waits for a job; a new one where it has died meanwhile."""
        child, self._spare = self._spare, None
        if child is not None and not child.is_alive():
            child.end()
            child = None
        return child or Child()

    def _describe(self, job: Held, scratch: Path) -> Run:
        model_id = new_id("mdl")
        return Run(
            assignment=Assignment(
                data=self._storage.root,
                inputs=Inputs.model_validate(job.inputs),
                goal=GoalSpec(
                    **{name: job.request[name] for name in GoalSpec.model_fields & job.request.keys()}
                ),
                network=NetworkSpec.model_validate(job.network),
                training=TrainingSpec.model_validate(job.request["training"]),
            ),
            model_id=model_id,
            scratch=scratch,
            metadata={"job_id": job.id, "model_id": model_id, "dataset_sha256": job.dataset["sha256"]},
            blas_threads=self._settings.blas_threads,
            kernels=self._settings.kernels,
            memory=self._settings.memory_budget,
            seconds=job.request["limits"]["seconds"],
        )

    def _follow(self, job: Held, child: "Child") -> End:
        """Write what the child tells, until it ends or has to; how the job ends then."""
        while True:
            ready = self._wait([child.updates], HEARTBEAT_SECONDS)
            if child.updates in ready and (end := self._hear(job, child)) is not None:
                return end
            if self._stopping:
                return lambda session: queue.give_back(session, job)
            if self._cancelled(job):
                return lambda session: queue.cancel(session, job)
            self._beat(job)

    def _hear(self, job: Held, child: "Child") -> End | None:
        """Take one message of the child; how the job ends, if it does."""
        message = child.receive()
        match message.pop("kind"):
            case "points":
                with self._database.write() as session:
                    queue.record(session, job, message["points"])
                return None
            case "failed":
                logger.warning("job failed", extra=message)
                code, detail = message["code"], message["detail"]
                return lambda session: queue.fail(session, job, code, detail)
            case _:
                return lambda session: succeed(session, job, message)

    def _cancelled(self, job: Held) -> bool:
        with self._database.read() as session:
            return queue.cancel_requested(session, job)


class Child:
    """A process that waits for a job and runs it, and the ways to it."""

    def __init__(self) -> None:
        self.updates, other_end = children.context.Pipe()
        self._stop = children.context.RawValue(ctypes.c_byte, 0)  # shared; not 0 asks the process to end
        self._process: ForkServerProcess = children.context.Process(
            target=children.run, args=("app.jobs.runner:train", other_end, self._stop)
        )
        self._process.start()
        other_end.close()

    def is_alive(self) -> bool:
        """Whether the process is there."""
        return self._process.is_alive()

    def begin(self, run: Run) -> None:
        """Hand it its job."""
        self.updates.send_bytes(run.model_dump_json().encode())

    def receive(self) -> dict[str, Any]:
        """The next message; where the process has ended without a last word, that it failed so."""
        try:
            return dict(json.loads(self.updates.recv_bytes()))
        except (EOFError, ConnectionResetError):
            detail = f"the job's process died: {self._fate()}"
            return {"kind": "failed", "code": "process_died", "detail": detail}

    def _fate(self) -> str:
        """How the process ended."""
        self._process.join(STOP_SECONDS)
        code = self._process.exitcode
        return (
            f"signal {signal.Signals(-code).name}" if code is not None and code < 0 else f"exit code {code}"
        )

    def end(self) -> None:
        """Ask the process to end, and see to it."""
        self._stop.value = 1
        self.updates.close()
        self._process.join(STOP_SECONDS)
        children.end(self._process)


def succeed(session: Session, job: Held, done: dict[str, Any]) -> None:
    """The model's row and the job's success, in one transaction."""
    environment = done.pop("environment")
    result = done.pop("result")
    lineage = {
        "dataset": {"id": job.dataset_id, **job.dataset},
        "network": job.network,
        "training": job.request["training"] | result,
        "seed": job.request["training"]["seed"],
        "engine_version": environment["engine"],
        "environment": environment,
    }
    models.create(
        session,
        NewModel(
            name=job.model_name,
            job_id=job.id,
            dataset_id=job.dataset_id,
            lineage=lineage,
            tags=job.tags,
            **done,
        ),
    )
    queue.succeed(session, job, done["id"])


def alive(settings: Settings) -> bool:
    """Whether a worker of this host gave a sign of life lately."""
    database = Database(settings.url)
    with database.read() as session:
        return queue.live_workers(session, host=socket.gethostname()) > 0


def main(settings: Settings, lifeline: int | None = None) -> None:
    """Run one worker in this process."""
    Worker(settings, lifeline).run()
