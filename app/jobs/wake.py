"""A hint to workers that the queue has changed: a datagram to the socket of each.

Only a hint: the row is the truth, and a worker looks at the queue every second anyway.
"""

import contextlib
import os
import socket
from collections.abc import Iterator
from pathlib import Path

from sqlalchemy import event
from sqlalchemy.orm import Session


class WakeSocket:
    """A worker's end: readable when there may be something to do."""

    def __init__(self, run: Path, worker_id: str) -> None:
        self._path = run / f"{worker_id}.sock"
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        with _short(run) as folder:
            self._socket.bind(f"{folder}/{self._path.name}")

    def fileno(self) -> int:
        """For `multiprocessing.connection.wait`."""
        return self._socket.fileno()

    def poke(self) -> None:
        """Give this worker a hint."""
        _poke(self._path)

    def drain(self) -> None:
        """Take all hints that have come."""
        with contextlib.suppress(BlockingIOError):
            while True:
                self._socket.recv(1)

    def close(self) -> None:
        """Close and remove the socket."""
        self._socket.close()
        self._path.unlink(missing_ok=True)


def wake_workers(run: Path) -> None:
    """Poke every worker of the data folder."""
    for path in run.glob("*.sock"):
        _poke(path)


def _poke(path: Path) -> None:
    """Send a hint; the socket of a worker that died is removed."""
    with _short(path.parent) as folder, socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
        sender.setblocking(False)
        try:
            sender.sendto(b"!", f"{folder}/{path.name}")
        except ConnectionRefusedError:
            path.unlink(missing_ok=True)
        except OSError:  # it is full of hints already, or has just gone
            pass


def wake_after_commit(session: Session, run: Path) -> None:
    """Poke the workers once the session has committed."""

    @event.listens_for(session, "after_commit", once=True)
    def poke(_: Session) -> None:
        wake_workers(run)


@contextlib.contextmanager
def _short(folder: Path) -> Iterator[str]:
    """A path to `folder` of a few characters: socket addresses hold 107 at the most."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{descriptor}"
    finally:
        os.close(descriptor)
