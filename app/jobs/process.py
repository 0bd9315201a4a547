"""The job's process from its worker's side: started before there is a job, told what to do, listened to."""

import json
import signal
from functools import partial
from typing import Any

from pydantic import BaseModel

from app import children
from app.jobs.signals import END, SAVE_AND_END, Signals

TRAIN = "app.jobs.runner:train"
STOP_SECONDS = 5.0  # that it has to end by itself


class JobProcess:
    """A process that waits for a job and runs it, and the ways to it."""

    def __init__(self, function: str = TRAIN) -> None:
        """`function`: "module:function", which takes its end of the pipe and the signals."""
        self._signals = children.context.RawValue(Signals)
        work = partial(children.run, function)
        self._process, self.updates = children.start(work, self._signals)

    def begin(self, run: BaseModel) -> None:
        """Hand it its job; raises `OSError` where it has died."""
        self.updates.send_bytes(run.model_dump_json().encode())

    def change(self, changes: dict[str, Any]) -> None:
        """Have the training change from its next step on; it says when it has."""
        try:
            self.updates.send_bytes(json.dumps(changes).encode())
        except OSError:
            return  # it has died, which the next look at it says
        self._signals.mail = 1

    def save_and_end(self) -> None:
        """Ask for a checkpoint and an end; it says `stopped`."""
        self._signals.stop = SAVE_AND_END

    def receive(self) -> dict[str, Any]:
        """The next message; where the process has ended without a last word, that it died."""
        try:
            return dict(json.loads(self.updates.recv_bytes()))
        except (EOFError, ConnectionResetError):
            return {"kind": "died", "detail": f"the job's process died: {self._fate()}"}

    def _fate(self) -> str:
        """How the process ended."""
        self._process.join(STOP_SECONDS)
        code = self._process.exitcode
        return (
            f"signal {signal.Signals(-code).name}" if code is not None and code < 0 else f"exit code {code}"
        )

    def end(self, seconds: float = STOP_SECONDS) -> None:
        """Ask the process to end, and see to it after so many seconds."""
        self._signals.stop = END
        self.updates.close()
        self._process.join(seconds)
        children.end(self._process)
