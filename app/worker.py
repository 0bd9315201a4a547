"""The worker: claims a job, runs it in a process of its own, writes what that process tells.

Imports no FastAPI. One job at a time; more workers run more jobs.
"""

import logging
import os
import signal
import socket
import time
from multiprocessing import connection
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING

from app import children
from app.batches import work as batches
from app.batches.success import success as batch_success
from app.database import Database, now
from app.failpoints import failpoint
from app.ids import new_id
from app.jobs import checkpoints, queue, store
from app.jobs.assignment import Assignment, Change, Inputs, Run, goal_of
from app.jobs.attempt import Attempt, End
from app.jobs.process import STOP_SECONDS, JobProcess
from app.jobs.queue import Held, LeaseLost
from app.jobs.store import WorkerRow
from app.jobs.success import succeed
from app.jobs.wake import WakeSocket
from app.observability import job_id
from app.retention import retain
from app.settings import Settings
from app.storage import Storage
from engine.network import NetworkSpec
from engine.training import TrainingSpec

if TYPE_CHECKING:
    from app.webhooks.sending import Sender

POLL_SECONDS = 1.0  # behind the wake-up, which is only a hint

logger = logging.getLogger(__name__)


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
        self._spare: JobProcess | None = None  # started before there is a job, so that no job waits for that
        self._beaten = float("-inf")
        self._stopping = False

    def run(self) -> None:
        """Claim and run jobs; ends after SIGTERM, SIGINT or the parent's end, and gives its job back."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._on_signal)
        self._beat()
        children.start_fork_server(compiled=self._settings.kernels != "numpy")
        logger.info("worker started", extra={"worker_id": self._row.id})
        sender = self._start_sender()
        try:
            while not self._stopping:
                self._beat()
                job = self._claim()
                if job is None:
                    self._spare = self._spare or JobProcess()
                    self._wait([], min(POLL_SECONDS, self._until_beat()))
                else:
                    self._run(job)
        finally:
            if self._spare is not None:
                self._spare.end()
            if sender is not None:
                sender.stop()
            self._wake.close()
            with self._database.write() as session:
                queue.leave(session, self._row.id)
            self._database.close()
            logger.info("worker stopped", extra={"worker_id": self._row.id})

    def _start_sender(self) -> "Sender | None":
        """Have webhooks sent in a thread, where the settings allow any."""
        if not self._settings.webhook_allowed_hosts:
            return None
        from app.webhooks.sending import Sender  # noqa: PLC0415 - it brings httpx, which most workers do without

        sender = Sender(self._database, self._settings)
        sender.start()
        return sender

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

    def _until_beat(self) -> float:
        """Seconds until the next sign of life is due."""
        return max(self._beaten + self._settings.heartbeat_seconds - time.monotonic(), 0.0)

    def _beat(self, job: Held | None = None) -> None:
        """Now and then: give a sign of life, keep the job, look for jobs whose worker gives no sign."""
        if self._until_beat() > 0:
            return
        with self._database.write() as session:
            queue.beat(session, self._row)
            if job is not None:  # first: this worker may have slept beyond its own lease
                queue.renew(session, job, self._settings.lease)
            queue.rescue(session, self._settings.lease)
        self._beaten = time.monotonic()
        retain(self._database, self._storage, self._settings)

    def _claim(self) -> Held | None:
        with self._database.read() as session:  # most looks find nothing, and take no writer's lock for it
            if not queue.waiting(session):
                return None
        with self._database.write() as session:
            job = queue.claim(session, self._row.id, self._settings.lease, self._settings.total_memory)
        failpoint("after-claim")
        return job

    def _run(self, job: Held) -> None:
        """Run a job to the end of an attempt, whatever that is."""
        token = job_id.set(job.id)
        logger.info("job started", extra={"attempt": job.attempt})
        try:
            with self._storage.scratch(f"{job.id}-{job.attempt}") as scratch:
                self._carry_out(job, scratch)
            logger.info("attempt ended", extra={"attempt": job.attempt})
        except LeaseLost:
            logger.warning("the job is not this worker's any more")
        finally:
            job_id.reset(token)

    def _carry_out(self, job: Held, scratch: Path) -> None:
        if job.kind == batches.KIND:
            process = JobProcess(batches.PREDICT)
            process.begin(batches.run_of(job, self._settings, self._storage, scratch))
            success = batch_success(self._settings.max_storage_bytes)
        else:
            process = self._begin(self._describe(job, scratch))
            success = succeed
        grace = self._settings.grace_seconds / 2
        attempt = Attempt(self._database, self._storage, job, process, grace, success)
        try:
            end = self._follow(attempt)
            with self._database.write() as session:
                end(session)
            failpoint("after-end")
            attempt.tidy()
        finally:
            process.end(1.0 if self._stopping else STOP_SECONDS)
        if job.kind == batches.KIND:  # once nobody writes any more
            batches.tidy(self._database, self._storage, job.id)

    def _begin(self, run: Run) -> JobProcess:
        """A process that has the job: the one that waits for it, or another where that has died."""
        process, self._spare = self._spare or JobProcess(), None
        try:
            process.begin(run)
        except OSError:
            process.end()
            process = JobProcess()
            process.begin(run)
        return process

    def _describe(self, job: Held, scratch: Path) -> Run:
        model_id, limits = new_id("mdl"), job.request["limits"]
        memory = min(self._settings.memory_budget, limits.get("memory_bytes") or self._settings.memory_budget)
        with self._database.read() as session:
            saved = checkpoints.saved_states(session, self._storage, job.id)
            recorded_step = store.last_step(session, job.id)
        start = None if job.start_model_id is None else self._storage.model(job.start_model_id)
        return Run(
            assignment=Assignment(
                data=self._storage.root,
                inputs=Inputs.model_validate(job.inputs),
                goal=goal_of(job.request),
                network=NetworkSpec.model_validate(job.network),
                training=TrainingSpec.model_validate(job.request["training"]),
                start=start,
                memory=memory,
            ),
            job_id=job.id,
            attempt=job.attempt,
            model_id=model_id,
            scratch=scratch,
            metadata={"job_id": job.id, "model_id": model_id, "dataset_sha256": job.dataset["sha256"]},
            saved=saved,
            changes=[
                Change(**{name: change[name] for name in Change.model_fields}) for change in job.changes
            ],
            request=job.request,
            findings=job.findings,
            recorded_step=recorded_step,
            checkpoint_seconds=self._settings.checkpoint_seconds,
            blas_threads=self._settings.threads_of_a_job,
            kernels=self._settings.kernels,
            memory=memory,
            seconds=None if limits["seconds"] is None else limits["seconds"] - job.spent_seconds,
        )

    def _follow(self, attempt: Attempt) -> End:
        """Write what the process tells, until it ends or has to; how the attempt ends then."""
        updates = attempt.process.updates
        while True:
            ready = self._wait([updates], attempt.remaining(self._until_beat()))
            if updates in ready and (end := attempt.hear()) is not None:
                return end
            if (end := attempt.heed(stopping=self._stopping)) is not None:
                return end
            self._beat(attempt.job)


def alive(settings: Settings) -> bool:
    """Whether a worker of this host gave a sign of life lately."""
    database = Database(settings.url)
    with database.read() as session:
        return queue.live_workers(session, socket.gethostname(), settings.lease) > 0


def main(settings: Settings, lifeline: int | None = None) -> None:
    """Run one worker in this process."""
    Worker(settings, lifeline).run()
