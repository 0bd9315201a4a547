"""Whether anything in the database has changed, whichever process changed it, asked in microseconds.

SQLite tells it (https://sqlite.org/pragma.html#pragma_data_version), PostgreSQL does not.
"""

import sqlite3
import time
from threading import Lock

HOLDS_SECONDS = 0.01
"""How long an answer is taken for true: another process's commit is seen so much later, unless this one has read the
database meanwhile; this one's own are seen at once."""


class DataVersion:
    """A number that is another one after every commit. Any thread may ask."""

    def __init__(self, url: str) -> None:
        self._file = url.removeprefix("sqlite:///") if url.startswith("sqlite:///") else None
        self._connection: sqlite3.Connection | None = None
        self._lock = Lock()
        self._own = 0  # commits of this process
        self._known: tuple[int, int] | None = None
        self._until = 0.0

    def __call__(self) -> tuple[int, int] | None:
        """The number; None where there is none, or not at the moment: the database has to be asked."""
        if time.monotonic() < self._until:
            return self._known
        return None if self._file is None else self._asked(self._file)

    def committed(self) -> None:
        """Say that this process has changed something."""
        with self._lock:
            self._own += 1
            self._until = 0.0

    def doubted(self) -> None:
        """Say that this process has read, and so may have told somebody, what is newer than the number."""
        with self._lock:
            self._until = 0.0

    def close(self) -> None:
        """Close the connection."""
        with self._lock:
            if self._connection is not None:
                self._connection.close()
                self._connection = None

    def _asked(self, file: str) -> tuple[int, int] | None:
        with self._lock:
            now = time.monotonic()
            try:
                if self._connection is None:
                    # Of its own: a connection does not see a new number after its own commits.
                    self._connection = sqlite3.connect(
                        file, timeout=0, isolation_level=None, check_same_thread=False
                    )
                number = self._connection.execute("PRAGMA data_version").fetchone()[0]
            except sqlite3.OperationalError:  # somebody commits just now
                return None
            self._known = number, self._own
            self._until = now + HOLDS_SECONDS
            return self._known
