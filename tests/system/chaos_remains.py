"""What a service that was killed again and again has left in its data folder."""

import hashlib
import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

TWO_DAYS = 48 * 3600
KINDS = ("datasets", "models", "checkpoints", "tmp")


def age(data: Path) -> None:
    """Make all files old enough for the sweep at a start to take what nobody needs."""
    then = time.time() - TWO_DAYS
    for kind in KINDS:
        for path in (data / kind).rglob("*"):
            os.utime(path, (then, then))


def faults(data: Path) -> list[str]:
    """What is wrong in the data folder of a service that has ended, after a sweep."""
    with closing(sqlite3.connect(data / "backpropd.db")) as connection:
        return [*_of_tables(connection), *_of_files(data, connection)]


def _of_tables(connection: sqlite3.Connection) -> Iterator[str]:
    if (answer := connection.execute("PRAGMA integrity_check").fetchall()) != [("ok",)]:
        yield f"integrity_check: {answer[:5]}"
    if answer := connection.execute("PRAGMA foreign_key_check").fetchall():
        yield f"foreign_key_check: {answer[:5]}"
    for job_id, status in connection.execute("SELECT id, status FROM jobs WHERE status <> 'succeeded'"):
        yield f"{job_id} is {status}"
    for (job_id,) in connection.execute("SELECT job_id FROM models GROUP BY job_id HAVING count(*) > 1"):
        yield f"{job_id} has two models"
    counted = "SELECT job_id, count(*), max(sequence) FROM job_events GROUP BY job_id"
    for job_id, events, last in connection.execute(counted):
        if events != last:
            yield f"{job_id} has {events} events, the last of which is number {last}"


def _of_files(data: Path, connection: sqlite3.Connection) -> Iterator[str]:
    """Each row has its file with its bits, and each file has its row."""
    named: dict[str, str | None] = {
        f"datasets/{row_id}.arrow": None for (row_id,) in connection.execute("SELECT id FROM datasets")
    }
    named |= {
        f"models/{row_id}.safetensors": sha256
        for row_id, sha256 in connection.execute("SELECT id, sha256 FROM models")
    }
    named |= dict(connection.execute("SELECT file, sha256 FROM checkpoints"))
    there = {
        str(path.relative_to(data)) for kind in KINDS for path in (data / kind).rglob("*") if path.is_file()
    }
    yield from (f"{file} has no row" for file in sorted(there - named.keys()))
    yield from (f"{file} is lost" for file in sorted(named.keys() - there))
    for file, sha256 in named.items():
        if sha256 and file in there and hashlib.sha256((data / file).read_bytes()).hexdigest() != sha256:
            yield f"{file} has other bits"
