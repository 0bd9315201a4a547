"""How fast the service starts, how much memory it holds, how long a job and an upload take.

    python benchmarks/service.py [--strict] [--python PATH]

Real processes over real HTTP, on this machine, as it is: the figures to compare stand beside each other, and
the load average before and after tells whether the machine was ours alone. Every bar is for the median.
With --strict a missed bar ends with exit code 1. --python names the Python of an environment where the service is
installed without extras: numba and scikit-learn, which development has, cost memory and time where they are found.
"""

import argparse
import itertools
import os
import random
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import datetime
from pathlib import Path

import httpx
import polars as pl
from sklearn.datasets import load_iris

STARTS = 5
JOBS = 50
UPLOAD_ROWS = 1_250_000  # about 50 MB
MANY_EPOCHS = 100_000
HIDDEN = [{"kind": "dense", "units": 64}, {"kind": "relu"}]
MLP = {
    "layers": [*HIDDEN, *HIDDEN, {"kind": "dense"}]
}  # so that the figures are the service's, not the network's
QUARTER = 25  # stretches of a job whose pace is measured, in a quarter of it


class Service:
    """`backpropd serve` over a folder, and how long it took to be ready."""

    def __init__(self, folder: Path, python: str) -> None:
        data = folder / "data"
        # Bytecode is cached, as it is where the service is installed, whatever this shell says.
        environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": ""}
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        self.client = httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=300)
        command = [python, "-m", "app.cli", "serve", "--data", str(data), "--port", str(port)]
        start = time.perf_counter()
        self.process = subprocess.Popen(
            [*command, "--log-level", "error"],
            env=environment,
            start_new_session=True,
            stderr=subprocess.DEVNULL,
        )
        while not self._ready():
            time.sleep(0.02)
        self.seconds = time.perf_counter() - start

    def _ready(self) -> bool:
        try:
            return self.client.get("/readyz").is_success
        except httpx.TransportError:
            return False

    def close(self) -> None:
        self.client.close()
        self.process.terminate()
        self.process.wait()

    def upload(self, data: bytes, name: str) -> str:
        answer = self.client.post(
            f"/v1/datasets?name={name}", content=data, headers={"Content-Type": "text/csv"}
        )
        answer.raise_for_status()
        return answer.json()["id"]

    def run(self, dataset: str, **training: object) -> dict:
        body = {"dataset_id": dataset, "target": "target", "network": MLP, "training": training}
        job = self.client.post("/v1/jobs", json=body).raise_for_status().json()
        while job["status"] in {"queued", "running"}:
            time.sleep(0.02)
            job = self.client.get(f"/v1/jobs/{job['id']}").json()
        assert job["status"] == "succeeded", job["error"]
        return job

    def memory(self) -> dict[str, float]:
        """Proportional set size in MB by process."""
        found = {}
        for entry in Path("/proc").iterdir():
            try:
                if entry.name.isdigit() and os.getsid(int(entry.name)) == self.process.pid:
                    command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
                    pss = next(
                        line
                        for line in (entry / "smaps_rollup").read_text().splitlines()
                        if line[:4] == "Pss:"
                    )
                    found[f"{entry.name} {_name_of(command)}"] = int(pss.split()[1]) / 1024
            except (OSError, StopIteration):
                continue
        return found


def _name_of(command: str) -> str:
    for part in ("forkserver", "resource_tracker", "worker", "serve"):
        if part in command:
            return part
    return command[:40]


def seconds_of(job: dict) -> float:
    return (
        datetime.fromisoformat(job["finished_at"]) - datetime.fromisoformat(job["created_at"])
    ).total_seconds()


def microseconds_an_epoch(points: list[dict]) -> float:
    first, last = points[0], points[-1]
    return (last["seconds"] - first["seconds"]) / (last["epoch"] - first["epoch"]) * 1e6


def told(what: str, values: list[float], unit: str, bar: float | None = None) -> bool:
    median = statistics.median(values)
    spread = f" ({min(values):.4g} to {max(values):.4g}, {len(values)} times)" if len(values) > 1 else ""
    against = "" if bar is None else f"   bar {bar:g}: {'met' if median <= bar else 'MISSED'}"
    print(f"{what:<52} {median:9.4g} {unit}{spread}{against}")
    return bar is None or median <= bar


def iris() -> bytes:
    data = load_iris()
    frame = pl.DataFrame(data.data, schema=list(data.feature_names))
    return frame.with_columns(target=pl.Series(data.target_names[data.target])).write_csv().encode()


def big_csv() -> bytes:
    rng = random.Random(0)
    rows = (
        f"{rng.random():.6f},{rng.randrange(1000)},{rng.choice('abcdefgh')},{rng.gauss(0, 1):.5f},"
        f"{i % 97}.5,word{i % 31},true"
        for i in range(UPLOAD_ROWS)
    )
    return "\n".join(["x,count,kind,target,more,word,flag", *rows]).encode()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--strict", action="store_true", help="exit code 1 where a bar is missed")
    parser.add_argument("--python", default=sys.executable, help="runs the service (default: this one)")
    asked = parser.parse_args()
    print(f"{os.cpu_count()} processors, load average {os.getloadavg()[0]:.2f}")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        met = [start(folder, asked.python)]
        service = Service(folder, asked.python)
        try:
            dataset = service.upload(iris(), "iris")
            met += [memory(service, dataset), latency(service, dataset)]
            upload(service, folder / "big.csv")
            met += many_epochs(service, dataset)
        finally:
            service.close()
    print(f"load average {os.getloadavg()[0]:.2f}")
    return 1 if asked.strict and not all(met) else 0


def start(folder: Path, python: str) -> bool:
    seconds = []
    for _ in range(1 + STARTS):
        service = Service(folder, python)
        service.close()
        seconds.append(service.seconds)
    told("start on a new folder, with its migration", seconds[:1], "s")
    return told("start: exec to ready", seconds[1:], "s", 1.5)


def memory(service: Service, dataset: str) -> bool:
    service.run(dataset, epochs=1)
    time.sleep(1)  # the job's process ends
    found = service.memory()
    for name, megabytes in sorted(found.items(), key=lambda item: -item[1]):
        print(f"    {name:<48} {megabytes:9.1f} MB")
    return told("memory of all processes after one job", [sum(found.values())], "MB", 300)


def latency(service: Service, dataset: str) -> bool:
    jobs = [seconds_of(service.run(dataset, epochs=1)) * 1000 for _ in range(JOBS)]
    return told("one epoch of iris: created to finished", jobs, "ms", 60)


def upload(service: Service, path: Path) -> None:
    csv = big_csv()
    path.write_bytes(csv)
    megabytes = len(csv) / 1e6
    begin = time.perf_counter()
    dataset = service.upload(csv, "big")
    seconds = time.perf_counter() - begin
    begin = time.perf_counter()
    pl.read_csv(path)
    alone = time.perf_counter() - begin
    told(f"upload, type and profile {megabytes:.0f} MB of CSV", [megabytes / seconds], "MB/s")
    told("    in seconds", [seconds], "s")
    told("    polars' read_csv of the same file", [alone], "s")
    service.client.delete(f"/v1/datasets/{dataset}").raise_for_status()


def many_epochs(service: Service, dataset: str) -> list[bool]:
    job = service.run(dataset, epochs=MANY_EPOCHS, early_stopping=None, batch_size=128)
    history = f"/v1/jobs/{job['id']}/history"
    points = service.client.get(f"{history}?max_points=10000").json()["points"]
    early, late = [
        statistics.median(quarter) for quarter in (paces(points)[:QUARTER], paces(points)[-QUARTER:])
    ]
    told("100,000 epochs: one of the first quarter, median", [early], "us")
    steady = told("100,000 epochs: one of the last quarter, median", [late], "us", 1.5 * early)
    reads = []
    for _ in range(20):
        begin = time.perf_counter()
        service.client.get(history).raise_for_status()
        reads.append((time.perf_counter() - begin) * 1000)
    return [steady, told("    reading its history, 500 points", reads, "ms", 100)]


def paces(points: list[dict]) -> list[float]:
    """Microseconds per epoch in 4 * QUARTER stretches of a job, first to last."""
    ends = [points[round(i * (len(points) - 1) / (4 * QUARTER))] for i in range(4 * QUARTER + 1)]
    return [
        (b["seconds"] - a["seconds"]) / (b["epoch"] - a["epoch"]) * 1e6 for a, b in itertools.pairwise(ends)
    ]


if __name__ == "__main__":
    sys.exit(main())
