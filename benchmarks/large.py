"""Ten million rows in two gigabytes: upload, profile and an epoch of training, over HTTP.

    python benchmarks/large.py [--rows N] [--strict] [--folder FOLDER]

A CSV file of about a gigabyte (numbers, some of them missing, a category, a target) is uploaded to a service whose
jobs may take 2 GiB, and one epoch of a small network is trained on it. Printed are the seconds from the last byte sent
to the answer, beside those of polars' streaming scan_csv with minimum, maximum, mean, null count and approximate
distinct count of every column, in turns; and the peak of the memory of all the service's processes. Mapped files are
counted apart: the system takes their pages back when it needs them.
With --strict a missed bar ends with exit code 1. --folder: where the files go for a while, 4 GB of them.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import numpy as np
import polars as pl

# In place of this file's folder, whose engine.py is another.
sys.path.pop(0)
sys.path.extend(str(Path(__file__).resolve().parent.parent / folder) for folder in ("", "tests/system"))
from serving import Running

GIB = 1 << 30
SPEED = 0.5  # of polars, at least
PIECE_ROWS = 1_000_000
CATEGORIES = ["red", "green", "blue", "yellow", "white", "black", "grey", "pink"]
NUMBERS = [f"x{i}" for i in range(8)]
NETWORK = {"layers": [{"kind": "dense", "units": 16}, {"kind": "relu"}, {"kind": "dense"}]}
"""Small: the rows are what is large here."""
SCAN = """
import time, polars as pl
start = time.perf_counter()
numbers, rest = pl.exclude("colour"), pl.all()
pl.scan_csv({path!r}).select(
    rest.min().name.suffix(" min"), rest.max().name.suffix(" max"), numbers.mean().name.suffix(" mean"),
    rest.null_count().name.suffix(" missing"), rest.approx_n_unique().name.suffix(" distinct"),
).collect(engine="streaming")
print(time.perf_counter() - start)
"""


class Memory(threading.Thread):
    """Watches all processes of a session: the peaks of their own memory, and with mapped files."""

    def __init__(self, session: int) -> None:
        super().__init__(daemon=True)
        self.session = session
        self.own = self.all = 0.0

    def run(self) -> None:
        while True:
            found = [self._of(int(entry.name)) for entry in Path("/proc").iterdir() if entry.name.isdigit()]
            self.own = max(self.own, sum(own for own, _ in found) / GIB)
            self.all = max(self.all, sum(all_ for _, all_ in found) / GIB)
            time.sleep(0.1)

    def _of(self, pid: int) -> tuple[int, int]:
        """Bytes that are a process's own or its share of what it shares, without and with files."""
        try:
            if os.getsid(pid) != self.session:
                return 0, 0
            lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]
        except OSError:
            return 0, 0
        kilobytes = {line.partition(":")[0]: int(line.split()[1]) for line in lines}
        return 1024 * (kilobytes["Pss_Anon"] + kilobytes["Pss_Shmem"]), 1024 * kilobytes["Pss"]


def write_table(path: Path, rows: int) -> None:
    """About 95 bytes a row."""
    rng = np.random.default_rng(0)
    with path.open("wb") as file:
        for start in range(0, rows, PIECE_ROWS):
            count = min(PIECE_ROWS, rows - start)
            x = rng.normal(size=(count, len(NUMBERS))).round(6)
            columns: dict[str, np.ndarray] = {name: x[:, i] for i, name in enumerate(NUMBERS)}
            columns["colour"] = rng.choice(CATEGORIES, count)
            columns["whole"] = rng.integers(0, 100_000, count)
            columns["y"] = (x[:, 0] * x[:, 1] + x[:, 2] + 0.1 * rng.normal(size=count)).round(6)
            missing = pl.Series(rng.random(count) < 0.05)
            frame = pl.DataFrame(columns).with_columns(x0=pl.when(missing).then(None).otherwise(pl.col("x0")))
            frame.write_csv(file, include_header=start == 0)


class Sent:
    """A file's bytes, and when the last of them went."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.at = 0.0

    def __iter__(self) -> Iterator[bytes]:
        with self.path.open("rb") as file:
            while data := file.read(1 << 20):
                yield data
        self.at = time.perf_counter()


def scan_seconds(path: Path) -> float:
    """In a process of its own, as the service's reader is."""
    command = [sys.executable, "-c", SCAN.format(path=str(path))]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def upload(client: httpx.Client, path: Path) -> tuple[dict[str, object], float]:
    """The data set, and the seconds from the last byte to the answer."""
    sent = Sent(path)
    answer = client.post("/v1/datasets", content=iter(sent), headers={"Content-Type": "text/csv"})
    seconds = time.perf_counter() - sent.at
    answer.raise_for_status()
    return answer.json(), seconds


def train(client: httpx.Client, dataset_id: object) -> dict[str, object]:
    """One epoch, to its end."""
    training = {"epochs": 1, "batch_size": 1024}
    request = {"dataset_id": dataset_id, "target": "y", "network": NETWORK, "training": training}
    answer = client.post("/v1/jobs", json=request)
    if answer.is_error:
        raise RuntimeError(answer.text)
    job: dict[str, object] = answer.json()
    while job["status"] in {"queued", "running"}:
        time.sleep(0.5)
        job = client.get(f"/v1/jobs/{job['id']}").json()
    return job


def peaks(memory: Memory) -> str:
    """Since the last time."""
    own, all_ = memory.own, memory.all
    memory.own = memory.all = 0.0
    return f"memory at most {own:.2f} GiB, {all_:.2f} GiB with mapped files"


def measure(path: Path, rows: int, folder: Path) -> bool:
    print(f"{rows:,} rows, {path.stat().st_size / 1e6:,.0f} MB of CSV; load average {os.getloadavg()[0]:.1f}")
    service = Running(folder / "data", memory_budget=2 * GIB, max_upload_bytes=4 * GIB, read_seconds=3600)
    service.client.timeout = 3600
    memory = Memory(service.process.pid)
    memory.start()
    try:
        scans, uploads, own = [scan_seconds(path)], [], 0.0
        for _ in range(2):
            peaks(memory)
            dataset, seconds = upload(service.client, path)
            own = max(own, memory.own)
            uploads.append(seconds)
            print(f"upload: {seconds:.1f} s from the last byte to the answer; {peaks(memory)}", flush=True)
            scans.append(scan_seconds(path))
        speed = min(scans) / min(uploads)
        print(f"polars' scan_csv: {min(scans):.1f} s; {speed:.2f} of its speed (bar: {SPEED})", flush=True)
        start = time.perf_counter()
        job = train(service.client, dataset["id"])
        own = max(own, memory.own)
        seconds = time.perf_counter() - start
        print(f"plan and one epoch: {seconds:.1f} s, {job['status']}; {peaks(memory)}")
        print(f"load average {os.getloadavg()[0]:.1f}")
        return speed >= SPEED and own <= 2 and job["status"] == "succeeded"
    finally:
        service.close()


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--folder", type=Path, default=None)
    parser.add_argument("--strict", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        path = Path(folder) / "table.csv"
        write_table(path, options.rows)
        good = measure(path, options.rows, Path(folder))
    sys.exit(0 if good or not options.strict else 1)


if __name__ == "__main__":
    main()
