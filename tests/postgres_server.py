"""A PostgreSQL server of one's own, in a temporary folder and behind a Unix socket, ended with whoever started it."""

import contextlib
import ctypes
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg

FOLDER = "/usr/lib/postgresql"  # where Debian's packages put the programs, which are not in PATH
START_SECONDS = 30
PR_SET_PDEATHSIG = 1


class PostgresServer:
    """A running server with one superuser, `postgres`, without a password: its socket is in a private folder."""

    def __init__(self, folder: Path, programs: Path, *, durable: bool) -> None:
        self.folder = folder
        self._programs = programs
        self._owner = (
            {"user": "postgres", "group": "postgres", "extra_groups": []} if os.getuid() == 0 else {}
        )
        self._options = [
            *("-c", "listen_addresses="),
            *("-c", f"fsync={'on' if durable else 'off'}"),
            *("-c", "max_connections=200"),
        ]

    def initialise(self) -> None:
        """Make the cluster."""
        if self._owner:
            shutil.chown(self.folder, "postgres", "postgres")
        command = [
            self._programs / "initdb",
            "-D",
            self._data,
            "-U",
            "postgres",
            "--auth=trust",
            "-E",
            "UTF8",
        ]
        subprocess.run(
            [*command, "--no-sync"], check=True, stdout=subprocess.DEVNULL, cwd=self.folder, **self._owner
        )

    def start(self) -> None:
        """Start it and wait until it answers."""
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [self._programs / "postgres", "-D", self._data, "-k", self.folder, *self._options],
                stdout=log,
                stderr=log,
                cwd=self.folder,
                preexec_fn=_end_with_parent,  # noqa: PLW1509 - one system call, which takes no lock
                **self._owner,
            )
        deadline = time.monotonic() + START_SECONDS
        while True:
            try:
                return psycopg.connect(self.url("postgres")).close()
            except psycopg.OperationalError:
                assert self.process.poll() is None, (self.folder / "log").read_text()
                assert time.monotonic() < deadline, "PostgreSQL did not start in time"
                time.sleep(0.05)

    def stop(self, number: signal.Signals = signal.SIGQUIT) -> None:
        """End it: SIGQUIT without a checkpoint, SIGINT after ending all connections."""
        self.process.send_signal(number)
        self.process.wait(START_SECONDS)

    def url(self, name: str) -> str:
        """The URL of one database."""
        return f"postgresql://postgres@/{name}?host={self.folder}"

    def create(self, name: str, template: str = "template1") -> str:
        """Make a database, as a copy of another that nobody is connected to; its URL."""
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
        return self.url(name)

    @property
    def _data(self) -> Path:
        return self.folder / "data"


def is_installed() -> bool:
    """Whether there is a PostgreSQL to start."""
    return bool(_programs())


def _programs() -> list[Path]:
    """The folders of programs, the newest version's last."""
    return sorted(path.parent for path in Path(FOLDER).glob("*/bin/postgres"))


@contextlib.contextmanager
def postgres_server(*, durable: bool = False) -> Iterator[PostgresServer]:
    """A new server; `durable`: commits reach the disk, as they do by default; tests do without."""
    with tempfile.TemporaryDirectory(prefix="bpd-pg-", ignore_cleanup_errors=True) as folder:
        server = PostgresServer(Path(folder), _programs()[-1], durable=durable)
        server.initialise()
        server.start()
        try:
            yield server
        finally:
            server.stop()


def _end_with_parent() -> None:
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGQUIT)
