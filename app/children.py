"""Work that may crash, hang or eat memory runs in a child process, started by a fork server.

The fork server has imported the heavy modules once, so that a child starts in milliseconds; it runs
no BLAS threads, since forking beside threads is what goes wrong elsewhere. Each process that calls
`start_fork_server` has its own. Parent and child speak JSON over a pipe.
"""

import json
import logging
import os
import pkgutil
import resource
import signal
import time
from collections.abc import Callable
from importlib.util import find_spec
from multiprocessing import forkserver, get_context
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerProcess
from typing import Any

from app import problems
from app.problems import FieldError, Problem

# numpy.ma: imported by NumPy on first use, which would be in every child anew (20 ms).
PRELOAD = [
    "numpy.ma",
    "app.batches.running",
    "app.datasets.runner",
    "app.exchange.files",
    "app.explanations.explaining",
    "app.jobs.planner",
    "app.jobs.runner",
    "app.jobs.snapshots",
    "app.predictions.answering_tables",
    "app.predictions.evaluating",
]
COMPILED = "engine.kernels.in_numba"  # the first time, some seconds of compiling: never within a job

STARTS = 3  # of a child whose fork server dies meanwhile
PAUSE_SECONDS = 0.05  # until the kernel tells that it is dead

context = get_context("forkserver")
logger = logging.getLogger(__name__)


class ChildFailed(Exception):
    """The child died, took too long or ran out of memory; the message says which."""


def start_fork_server(*, compiled: bool = False) -> None:
    """Start the fork server, which imports what children need while the caller goes on.

    `compiled`: whether children may train with the compiled kernels, if those are installed.
    """
    os.environ["OPENBLAS_NUM_THREADS"] = "1"  # read when NumPy is imported; a job sets its own number later
    more = [COMPILED] if compiled and find_spec("numba") else []
    context.set_forkserver_preload([*PRELOAD, *more])
    forkserver.ensure_running()


def run(function: str, *args: object) -> Any:  # noqa: ANN401 - whatever the function returns
    """Call "module:function"; by name, since its module is too heavy for the parent to import."""
    return pkgutil.resolve_name(function)(*args)


def call(function: str, *args: object, seconds: float, memory: int) -> dict[str, Any]:
    """The answer of "module:function" to `args`, in a child with limits on time and on memory in bytes.

    Raises the `Problem` that the function raised, and `ChildFailed` when there is no answer.
    """
    child, receiver = start(_answer, seconds, memory, function, args, daemon=True)
    with receiver:
        try:
            if not receiver.poll(seconds):
                raise ChildFailed(f"it took longer than {seconds:g} seconds")
            answer = json.loads(receiver.recv_bytes())
        except (EOFError, ConnectionResetError):
            raise ChildFailed("the process that worked on it died") from None
        finally:
            child.kill()  # it has nothing more to do, and would take its time to end by itself
            end(child)
    if "failed" in answer:
        raise ChildFailed(answer["failed"])
    if "problem" in answer:
        raise _problem(**answer["problem"])
    return dict(answer["result"])


def start(
    target: Callable[..., object], *args: object, daemon: bool = False
) -> tuple[ForkServerProcess, Connection]:
    """A child that calls `target` with its end of a pipe and `args`, and the other end of the pipe.

    A fork server that dies meanwhile is replaced, and has a pipe of its own: a child of the dead one may hold the
    first. Raises `ChildFailed` where that does not help.
    """
    for _ in range(STARTS):
        ours, theirs = context.Pipe()
        child = context.Process(target=target, args=(theirs, *args), daemon=daemon)
        try:
            child.start()
        except (EOFError, OSError) as error:
            ours.close()
            logger.warning("the fork server is lost", extra={"reason": repr(error)})
            time.sleep(PAUSE_SECONDS)
        else:
            return child, ours
        finally:
            theirs.close()
    raise ChildFailed("no process could be started for it")


def end(child: ForkServerProcess) -> None:
    """Make sure that a child is gone."""
    child.join(0.1)
    if child.is_alive():
        child.kill()
        child.join()
    child.close()


def limit_memory(more: int) -> None:
    """Let this process allocate at most `more` bytes beyond what it has now."""
    with open("/proc/self/statm") as statm:  # noqa: PTH123 - not a file on a disk
        data_pages = int(statm.read().split()[5])
    limit = data_pages * resource.getpagesize() + more
    resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))


def _answer(sender: Connection, seconds: float, memory: int, function: str, args: tuple[object, ...]) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent to act on
    signal.setitimer(signal.ITIMER_REAL, seconds + 1)  # ends it where a killed parent no longer can
    limit_memory(memory)
    answer: dict[str, Any]
    try:
        answer = {"result": run(function, *args)}
    except Problem as problem:
        answer = {
            "problem": {
                "kind": type(problem).__name__,
                "detail": problem.detail,
                "errors": [error.model_dump() for error in problem.errors],
                "code": problem.code,
            }
        }
    except MemoryError:
        answer = {"failed": "it needs more memory than it may have"}
    except BaseException as error:  # noqa: BLE001 - a panic in a Rust library is a BaseException
        answer = {"failed": f"{type(error).__name__}: {error}"[:500]}
    sender.send_bytes(json.dumps(answer).encode())


def _problem(kind: str, detail: str, errors: list[dict[str, str]], code: str) -> Problem:
    cls: type[Problem] = getattr(problems, kind)
    return cls(detail, [FieldError(**error) for error in errors], code=code)
