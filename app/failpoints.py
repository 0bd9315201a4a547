"""Places where a test may have a process die, stop or find its disk full; nothing outside of tests.

BACKPROPD_FAILPOINTS in the environment names them: `name:action`, several with commas between, and
`name@N:action` for the Nth time that a process passes there alone. Actions: `kill` (SIGKILL to itself), `stop`
(SIGSTOP to itself), `error=ENOSPC` (or another name of errno, raised as `OSError`).
BACKPROPD_FAILPOINTS_ONCE names a folder: each failpoint then acts once, in whichever process comes first, and leaves a
file of its name there.

In the worker: after-claim, before-record, after-record, before-register, after-register (a checkpoint's row),
before-success, before-give-back, before-crash, after-end (of an attempt, committed). In the job's process: before-run,
before-part (of a batch prediction), before-checkpoint, after-checkpoint-rename (its row is not there yet),
before-curve, before-model, after-model (its file is published, its row is not there yet). In whoever stores a file:
before-publish, after-publish.
"""

import errno
import os
import signal
from collections import Counter
from pathlib import Path
from typing import NamedTuple

VARIABLE = "BACKPROPD_FAILPOINTS"
ONCE = "BACKPROPD_FAILPOINTS_ONCE"


class _Set(NamedTuple):
    """A failpoint that is set."""

    nth: int | None  # of the passes; None: each
    action: str


def failpoint(name: str) -> None:
    """Do what the environment says for this place; nothing otherwise."""
    if name not in _ACTIVE:
        return
    _PASSES[name] += 1
    nth, action = _ACTIVE[name]
    if (nth is None or _PASSES[name] == nth) and _is_first(name):
        _act(action)


def _is_first(name: str) -> bool:
    """Whether it is to act: always, or the first time of all processes."""
    folder = os.environ.get(ONCE)
    if folder is None:
        return True
    try:
        (Path(folder) / name).touch(exist_ok=False)
    except FileExistsError:
        return False
    return True


def _act(action: str) -> None:
    match action.partition("="):
        case ("kill", _, _):
            os.kill(os.getpid(), signal.SIGKILL)
        case ("stop", _, _):
            os.kill(os.getpid(), signal.SIGSTOP)
        case ("error", _, code):
            number = getattr(errno, code)
            raise OSError(number, os.strerror(number))
        case _:
            raise ValueError(f"{VARIABLE}: there is no action {action!r}")


def _parsed(text: str) -> dict[str, _Set]:
    """The failpoints that a value of the variable sets."""
    found = {}
    for item in filter(None, text.split(",")):
        place, _, action = item.partition(":")
        name, _, nth = place.partition("@")
        found[name] = _Set(int(nth) if nth else None, action)
    return found


_ACTIVE = _parsed(os.environ.get(VARIABLE, ""))
_PASSES: Counter[str] = Counter()
