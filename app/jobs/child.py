"""What every child process of a job does: ends with its worker, and tells how it ended, in JSON over its pipe."""

import json
import os
import signal
import threading
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import connection, parent_process
from multiprocessing.connection import Connection

from app.jobs.execution import OutOfTime, StartLost, Stopped
from app.problems import Problem
from engine.checkpoint import CheckpointMismatch
from engine.spec import InvalidSpec
from engine.training import Diverged


def begin() -> None:
    """Leave Ctrl-C to the worker, and end when the worker does."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    _end_with_parent()


def _end_with_parent() -> None:
    """A child outlives a killed parent otherwise."""
    parent = parent_process()
    assert parent is not None, "started by multiprocessing"

    def watch() -> None:
        connection.wait([parent.sentinel])
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


@contextmanager
def failures_told(updates: Connection) -> Iterator[None]:
    """Tell the worker of whatever ends the work before it is done."""
    try:
        yield
    except Stopped:
        pass
    except Diverged as error:
        _fail(updates, "diverged", str(error))
    except OutOfTime:
        _fail(updates, "time_limit", "the job ran longer than its limits.seconds")
    except StartLost as error:
        _fail(updates, "start_lost", str(error))
    except CheckpointMismatch as error:
        _fail(updates, "checkpoint_mismatch", f"{error}: a retry starts from the beginning")
    except InvalidSpec as error:
        _fail(updates, "invalid", error.detail)
    except Problem as problem:
        _fail(updates, problem.code, problem.detail)
    except MemoryError:
        _fail(
            updates,
            "out_of_memory",
            "the job needs more memory than the service's memory budget, or its own limit, allows",
        )
    except Exception as error:  # noqa: BLE001 - whatever it is, the job ends with it and the log has it
        detail = f"an error of ours: {type(error).__name__}; the log has more"
        _fail(updates, "internal", detail, traceback=traceback.format_exc())


def _fail(updates: Connection, code: str, detail: str, **more: str) -> None:
    send(updates, "failed", code=code, detail=detail, **more)


def send(updates: Connection, kind: str, **content: object) -> None:
    """Send a message of a kind with its content to the worker."""
    updates.send_bytes(json.dumps({"kind": kind, **content}).encode())
