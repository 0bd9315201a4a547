"""What the service bears: many workers at one queue, many requests, on either database.

    python benchmarks/load.py claims [--database-url URL | --postgres] [--workers 8] [--jobs 10000]
    python benchmarks/load.py jobs [--postgres] [--workers 8] [--jobs 100]
    python benchmarks/load.py memory [--postgres] [--requests 100000]

Each prints its figures and ends with exit code 1 where something was lost, doubled or grew. `--postgres` starts a
server of its own, of Debian's package, whose commits reach the disk.
"""

import argparse
import contextlib
import multiprocessing
import os
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

# In place of this file's folder, whose engine.py is another; the tests know how to start a server and a service.
sys.path.pop(0)
sys.path.extend(
    str(Path(__file__).resolve().parent.parent / folder) for folder in ("", "tests", "tests/system")
)
import httpx
from postgres_server import postgres_server
from serving import Running
from sqlalchemy import func, select

from app.database import Database, now
from app.events.store import JobEventRow
from app.ids import new_id
from app.jobs import queue
from app.jobs.store import JobRow, WorkerRow
from app.schema import migrate
from app.settings import Settings

TINY = "a,b,target\n" + "\n".join(f"{i % 7},{i % 3},{'yes' if i % 2 else 'no'}" for i in range(60)) + "\n"
GROWTH = 0.05  # of the API's memory, past the first tenth of the requests, that is taken for none


@contextlib.contextmanager
def settings(options: argparse.Namespace) -> Iterator[Settings]:
    """A migrated database of the kind that was asked for, and an empty data folder."""
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(dir=options.folder)))
        url = options.database_url
        if options.postgres:
            url = stack.enter_context(postgres_server(durable=True)).create("load")
        chosen = Settings(data=folder / "data", database_url=url)
        migrate(chosen)
        yield chosen


# The queue alone: no job is run, but each is claimed, told of and ended in transactions as a worker's.


def claims(options: argparse.Namespace) -> bool:
    """`--workers` processes claim and end `--jobs` jobs; whether each was claimed and ended once."""
    with settings(options) as chosen:
        database = Database(chosen.url)
        _fill(database, options.jobs)
        start = time.perf_counter()
        context = multiprocessing.get_context("spawn")
        with context.Pool(options.workers) as pool:
            claimed = pool.map(_claim_all, [chosen.url] * options.workers, chunksize=1)
        seconds = time.perf_counter() - start
        counts = Counter(job_id for of_worker in claimed for job_id in of_worker)
        with database.read() as session:
            ended = session.scalar(select(func.count()).where(JobRow.status == "failed"))
            events = session.scalar(select(func.count()).select_from(JobEventRow))
        database.close()
    doubles = sum(count > 1 for count in counts.values())
    lost = options.jobs - len(counts)
    print(f"{database.engine.dialect.name}: {options.workers} workers, {options.jobs} jobs, {seconds:.1f} s")
    print(f"  claims and ends: {options.jobs / seconds:.0f} /s; a worker took {_range(map(len, claimed))}")
    print(f"  claimed twice: {doubles}; lost: {lost}; ended: {ended}; events: {events}")
    return (doubles, lost, ended, events) == (0, 0, options.jobs, 4 * options.jobs)


def _fill(database: Database, jobs: int) -> None:
    for begin in range(0, jobs, 1000):
        with database.write() as session:
            session.add_all(_job(i) for i in range(begin, min(begin + 1000, jobs)))
            session.flush()


def _job(i: int) -> JobRow:
    return JobRow(
        id=new_id("job"),
        status="queued",
        request={"training": {"epochs": 1}, "limits": {}},
        network={},
        plan={"rows": {"training": 1}},
        model_name="m",
        task="binary",
        dataset={},
        inputs={},
        tags=[],
        priority=i % 3,
        attempt=1,
        created_at=now(),
        owner=f"owner-{i % 5}",
    )


def _claim_all(url: str) -> list[str]:
    """Claim, log and end until the queue is empty; the ids in order."""
    database, worker_id, claimed = Database(url), new_id("wrk"), []
    with database.write() as session:
        queue.beat(
            session, WorkerRow(id=worker_id, pid=os.getpid(), host="load", started_at=now(), seen_at=now())
        )
    while True:
        with database.write() as session:
            job = queue.claim(session, worker_id)
        if job is None:
            with database.read() as session:
                if not queue.waiting(session):
                    database.close()
                    return claimed
            continue
        claimed.append(job.id)
        with database.write() as session:
            queue.log(session, job, "here")
        with database.write() as session:
            queue.fail(session, job, "load", "it was only counted")


def _range(values: Iterable[int]) -> str:
    low, *_, high = sorted(values)
    return f"{low} to {high}"


# Real workers and real trainings


def jobs(options: argparse.Namespace) -> bool:
    """`--workers` workers train `--jobs` tiny networks; whether each succeeded at once, with a model of its own."""
    with service(options, workers=options.workers, max_queued_jobs=options.jobs + 1) as running:
        dataset = running.upload(TINY.encode())
        training = {"epochs": 2, "early_stopping": None}
        request = {"training": training, "model_name": "tiny", "network": {"layers": [{"kind": "dense"}]}}
        with ThreadPoolExecutor(4) as pool:
            start = time.perf_counter()
            ids = list(pool.map(lambda _: running.launch(dataset, "target", **request), range(options.jobs)))
        queued = time.perf_counter() - start
        ended = [running.until(job_id, "succeeded", "failed", seconds=3600) for job_id in ids]
        seconds = time.perf_counter() - start
        versions = _versions(running, options.jobs)
    outcomes = Counter(job["status"] for job in ended)
    attempts = Counter(job["attempt"] for job in ended)
    print(
        f"{options.workers} workers, {options.jobs} jobs: queued in {queued:.1f} s, done after {seconds:.1f} s"
    )
    print(f"  {options.jobs / seconds:.1f} jobs/s; ended: {dict(outcomes)}; attempts: {dict(attempts)}")
    print(f"  models: {len(set(versions))} versions, the highest {max(versions, default=0)}")
    return (
        outcomes == {"succeeded": options.jobs}
        and attempts == {1: options.jobs}
        and sorted(versions) == list(range(1, options.jobs + 1))
    )


def _versions(running: Running, jobs: int) -> list[int]:
    versions, cursor = [], {}
    while len(versions) <= jobs:
        page = running.client.get("/v1/models", params={"name": "tiny", "limit": 100, **cursor}).json()
        versions += [item["version"] for item in page["items"]]
        if page["next_cursor"] is None:
            break
        cursor = {"cursor": page["next_cursor"]}
    return versions


@contextlib.contextmanager
def service(options: argparse.Namespace, **values: object) -> Iterator[Running]:
    """`backpropd serve` over an empty folder and the database that was asked for."""
    with settings(options) as chosen:
        url = {} if chosen.database_url is None else {"database_url": chosen.database_url}
        running = Running(chosen.data, log_level="error", **url, **values)
        try:
            yield running
        finally:
            running.close()


# Memory


def memory(options: argparse.Namespace) -> bool:
    """Send `--requests` requests of many kinds; whether the API's memory is flat from the first tenth on."""
    with service(options, workers=1, predictions_per_minute=0) as running:
        dataset = running.upload(TINY.encode())
        running.until(
            running.launch(dataset, "target", training={"epochs": 2}, model_name="tiny"), "succeeded"
        )
        samples = []
        with ThreadPoolExecutor(4) as pool:
            for i in range(10):
                part = range(i * options.requests // 10, (i + 1) * options.requests // 10)
                start = time.perf_counter()
                answers = Counter(pool.map(lambda i: _request(running.client, dataset, i), part))
                rate = len(part) / (time.perf_counter() - start)
                samples.append(_megabytes(running.process.pid))
                print(f"  {part.stop:>7} requests, {rate:4.0f} /s: {samples[-1]} {dict(answers)}", flush=True)
                if any(status >= 500 for status in answers):
                    return False
    growth = samples[-1]["own"] / samples[0]["own"] - 1
    print(f"the API's own memory from the first tenth to the end: {growth:+.1%}")
    return growth < GROWTH


def _request(client: httpx.Client, dataset: str, i: int) -> int:
    """One of ten, wrong ones among them; the status."""
    kind = i % 10
    if kind in GETS:
        return client.get(GETS[kind].format(dataset=dataset)).status_code
    if kind == 5:
        return client.post("/v1/networks", content=b'{"layers": [NaN]}', headers=JSON).status_code
    if kind == 6:
        return client.post("/v1/networks", json=NETWORK | {"name": f"n{i}"}).status_code
    return client.post("/v1/models/tiny/predict", json={"records": [{"a": i % 7, "b": i % 3}]}).status_code


GETS = {
    0: "/v1/jobs?limit=20",
    1: "/v1/datasets/{dataset}",
    2: "/v1/models/missing",
    3: "/metrics",
    4: "/openapi.json",
}
JSON = {"Content-Type": "application/json"}
NETWORK = {"layers": [{"kind": "dense", "units": 4}, {"kind": "relu"}, {"kind": "dense"}]}


def _megabytes(pid: int) -> dict[str, float]:
    """A process's proportional set size, and of it what is its own.

    The first falls and rises as well with others that begin and end and share its libraries: the second tells growth.
    """
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    found = {line.partition(":")[0]: line.split()[1] for line in lines[1:]}
    return {"pss": int(found["Pss"]) // 1024, "own": round(int(found["Pss_Anon"]) / 1024, 1)}


COMMANDS = {"claims": claims, "jobs": jobs, "memory": memory}
DEFAULTS = {"claims": 10_000, "jobs": 100}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(dest="command", required=True)
    for name, function in COMMANDS.items():
        command = commands.add_parser(name, help=function.__doc__)
        command.add_argument("--database-url", help="an empty database; left out, SQLite")
        command.add_argument("--postgres", action="store_true", help="start a PostgreSQL server of its own")
        command.add_argument("--folder", help="where the temporary folders lie")
        if name in DEFAULTS:
            command.add_argument("--workers", type=int, default=8)
            command.add_argument("--jobs", type=int, default=DEFAULTS[name])
        else:
            command.add_argument("--requests", type=int, default=100_000)
    options = parser.parse_args()
    sys.exit(0 if COMMANDS[options.command](options) else "MISSED: see the figures above")


if __name__ == "__main__":
    main()
