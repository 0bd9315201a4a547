"""Child process: one training, from the file of the data set to the file of the model.

It is started before there is a job, and waits for one. It knows no database: it tells the worker over a
pipe, in JSON. It ends by itself when the worker dies.
"""

import hashlib
import json
import os
import signal
import threading
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from ctypes import c_byte
from multiprocessing import connection, parent_process
from multiprocessing.connection import Connection
from typing import Any

import polars as pl
from threadpoolctl import ThreadpoolController

from app.children import limit_memory
from app.jobs.assignment import Run
from app.jobs.environment import environment
from app.jobs.planner import fitting_of
from app.problems import Problem
from app.storage import Storage, publish
from engine import kernels
from engine.fitting import Fitting, Table
from engine.goal import GoalSpec
from engine.spec import InvalidSpec
from engine.training import Diverged, Progress, TrainingSpec

BLAS = ThreadpoolController()

UPDATE_SECONDS = 0.25  # at most four messages, and so commits, a second


class Stopped(Exception):
    """The worker asked for an end."""


class OutOfTime(Exception):
    """The job's own time limit is over."""


def train(pipe: Connection, stop: c_byte) -> None:
    """Wait for a `Run` in JSON on the pipe, carry it out, and tell of it on the same pipe.

    `stop` is shared memory that is read each batch.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the worker to act on
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    _end_with_parent()
    _warm_up()
    try:
        run = Run.model_validate_json(pipe.recv_bytes())
    except EOFError:  # the worker ended before there was a job
        return
    with _failures_told(pipe):
        limit_memory(run.memory)
        kernels.use(run.kernels)
        with BLAS.limit(limits=run.blas_threads, user_api="blas"):
            fitting = fitting_of(run.assignment)
            _follow(fitting.run(), pipe, stop, run.seconds)
            done = _finish(fitting, run)
        _send(pipe, "done", **done)


def _warm_up() -> None:
    """Train a tiny network, so that all that is slow the first time is over before a job comes.

    Not in the fork server: it would start threads there, beside which forking is not safe.
    """
    rows = pl.DataFrame(
        {"x": [float(i) for i in range(12)], "y": ["a", "b", "c"] * 4, "z": [None, "d", "e"] * 4}
    )
    table = Table(rows, {"x": "numeric", "y": "categorical", "z": "categorical"})
    fitting = Fitting(table, GoalSpec(target="y"), None, TrainingSpec(epochs=1))
    for _ in fitting.run():
        pass
    fitting.evaluate(fitting.model)


def _end_with_parent() -> None:
    """A child outlives a killed parent otherwise."""
    parent = parent_process()
    assert parent is not None, "started by multiprocessing"

    def watch() -> None:
        connection.wait([parent.sentinel])
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _follow(training: Iterator[Progress], updates: Connection, stop: c_byte, seconds: float | None) -> None:
    """Train; points are gathered and sent a few times a second, whatever the epoch rate."""
    points: list[dict[str, Any]] = []
    start = time.monotonic()
    sent = start - UPDATE_SECONDS  # the first epoch is told at once
    deadline = start + seconds if seconds else float("inf")
    for progress in training:
        now = time.monotonic()
        if progress.point is not None:
            points.append(progress.point._asdict())
        if stop.value:
            raise Stopped
        if points and (now - sent >= UPDATE_SECONDS or now > deadline):
            _send(updates, "points", points=points)
            points, sent = [], now
        if now > deadline:
            raise OutOfTime
    if points:
        _send(updates, "points", points=points)


def _finish(fitting: Fitting, run: Run) -> dict[str, Any]:
    """Write the model's file; what the worker needs for the model's row."""
    model = fitting.model
    evaluation = fitting.evaluate(model) if fitting.plan.rows.validation else None
    data = model.to_bytes(run.metadata)
    final = Storage(run.assignment.data).model(run.model_id)
    unfinished = run.scratch / final.name
    unfinished.write_bytes(data)
    publish(unfinished, final)
    return {
        "id": run.model_id,
        "bytes": len(data),
        "sha256": hashlib.sha256(data).hexdigest(),
        "task": fitting.plan.task,
        "features": [feature.model_dump(mode="json") for feature in model.features],
        "target": model.target.model_dump(mode="json"),
        "evaluation": evaluation and evaluation.model_dump(mode="json"),
        "result": {"best_epoch": fitting.best_epoch, "stopped_early": fitting.stopped_early},
        "environment": environment(BLAS),
    }


@contextmanager
def _failures_told(updates: Connection) -> Iterator[None]:
    try:
        yield
    except Stopped:
        pass
    except Diverged as error:
        _fail(updates, "diverged", str(error))
    except OutOfTime:
        _fail(updates, "time_limit", "the job ran longer than its limits.seconds")
    except InvalidSpec as error:
        _fail(updates, "invalid", error.detail)
    except Problem as problem:
        _fail(updates, problem.code, problem.detail)
    except MemoryError:
        _fail(updates, "out_of_memory", "the job needs more memory than the service's memory budget")
    except Exception as error:  # noqa: BLE001 - whatever it is, the job ends with it and the log has it
        detail = f"an error of ours: {type(error).__name__}; the log has more"
        _fail(updates, "internal", detail, traceback=traceback.format_exc())


def _fail(updates: Connection, code: str, detail: str, **more: str) -> None:
    _send(updates, "failed", code=code, detail=detail, **more)


def _send(updates: Connection, kind: str, **content: object) -> None:
    updates.send_bytes(json.dumps({"kind": kind, **content}).encode())
