"""Work that may crash, hang or eat memory runs in a child process, started by a fork server.

The fork server has imported the heavy modules once, so that a child starts in milliseconds; it runs
no BLAS threads, since forking beside threads is what goes wrong elsewhere. Each process that calls
`start_fork_server` has its own. Parent and child speak JSON over a pipe.
"""

import json
import os
import pkgutil
import resource
import signal
from importlib.util import find_spec
from multiprocessing import forkserver, get_context
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerProcess
from typing import Any

from app import problems
from app.problems import FieldError, Problem

# numpy.ma: imported by NumPy on first use, which would be in every child anew (20 ms).
PRELOAD = ["numpy.ma", "app.datasets.runner", "app.jobs.planner", "app.jobs.runner"]
if find_spec("numba"):
    PRELOAD.append("engine.kernels.in_numba")  # the first time, some seconds of compiling: never within a job

context = get_context("forkserver")


class ChildFailed(Exception):
    """The child died, took too long or ran out of memory; the message says which."""


def start_fork_server() -> None:
    """Start the fork server, which imports what children need while the caller goes on."""
    os.environ["OPENBLAS_NUM_THREADS"] = "1"  # read when NumPy is imported; a job sets its own number later
    context.set_forkserver_preload(PRELOAD)
    forkserver.ensure_running()


def run(function: str, *args: object) -> Any:  # noqa: ANN401 - whatever the function returns
    """Call "module:function"; by name, since its module is too heavy for the parent to import."""
    return pkgutil.resolve_name(function)(*args)


def call(function: str, *args: object, seconds: float, memory: int) -> dict[str, Any]:
    """The answer of "module:function" to `args`, in a child with limits on time and on memory in bytes.

    Raises the `Problem` that the function raised, and `ChildFailed` when there is no answer.
    """
    receiver, sender = context.Pipe(duplex=False)
    with receiver:
        child = context.Process(target=_answer, args=(sender, seconds, memory, function, args), daemon=True)
        child.start()
        sender.close()
        try:
            if not receiver.poll(seconds):
                raise ChildFailed(f"it took longer than {seconds:g} seconds")
            answer = json.loads(receiver.recv_bytes())
        except EOFError:
            raise ChildFailed("the process that worked on it died") from None
        finally:
            end(child)
    if "failed" in answer:
        raise ChildFailed(answer["failed"])
    if "problem" in answer:
        raise _problem(**answer["problem"])
    return dict(answer["result"])


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
