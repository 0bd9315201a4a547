"""How fast the service starts, how much memory it holds, how long a job and an upload take.

    python benchmarks/service.py [--strict]

Real processes over real HTTP, on this machine, as it is: the figures to compare stand beside each other.
With --strict a missed bar ends with exit code 1.
"""

import argparse
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
UPLOAD_ROWS = 700_000
MANY_EPOCHS = 100_000


class Service:
    """`backpropd serve` over a folder, and how long it took to be ready."""

    def __init__(self, data: Path) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        self.client = httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=300)
        command = [sys.executable, "-m", "app.cli", "serve", "--data", str(data), "--port", str(port)]
        start = time.perf_counter()
        self.process = subprocess.Popen(
            [*command, "--log-level", "error"], start_new_session=True, stderr=subprocess.DEVNULL
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
        body = {"dataset_id": dataset, "target": "target", "training": training}
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
        f"{rng.random():.6f},{rng.randrange(1000)},{rng.choice('abcdefgh')},{rng.gauss(0, 1):.5f},word{i % 31},true"
        for i in range(UPLOAD_ROWS)
    )
    return "\n".join(["x,count,kind,target,word,flag", *rows]).encode()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--strict", action="store_true", help="exit code 1 where a bar is missed")
    strict = parser.parse_args().strict
    met = []
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "data"
        Service(data).close()  # migrates, and warms the cache of files
        starts = []
        for _ in range(STARTS):
            service = Service(data)
            starts.append(service.seconds)
            if len(starts) < STARTS:
                service.close()
        met.append(told("start: exec to ready", starts, "s", 1.5))

        dataset = service.upload(iris(), "iris")
        service.run(dataset, epochs=1)
        time.sleep(1)
        memory = service.memory()
        for name, megabytes in sorted(memory.items(), key=lambda item: -item[1]):
            print(f"    {name:<48} {megabytes:9.1f} MB")
        met.append(told("memory of all processes after one job", [sum(memory.values())], "MB", 300))

        jobs = [seconds_of(service.run(dataset, epochs=1)) * 1000 for _ in range(JOBS)]
        met.append(told("one epoch of iris: created to finished", jobs, "ms", 60))

        csv = big_csv()
        start = time.perf_counter()
        big = service.upload(csv, "big")
        seconds = time.perf_counter() - start
        path = Path(folder) / "big.csv"
        path.write_bytes(csv)
        start = time.perf_counter()
        pl.read_csv(path)
        alone = time.perf_counter() - start
        told(f"upload, type and profile {len(csv) / 1e6:.0f} MB of CSV", [seconds], "s")
        told("    polars' read_csv of the same file", [alone], "s")
        service.client.delete(f"/v1/datasets/{big}").raise_for_status()

        job = service.run(dataset, epochs=MANY_EPOCHS, early_stopping=None, batch_size=128)
        points = service.client.get(f"/v1/jobs/{job['id']}/history?max_points=10000").json()["points"]
        tenth = len(points) // 10
        early, late = (microseconds_an_epoch(part) for part in (points[:tenth], points[-tenth:]))
        told("100,000 epochs: an early one", [early], "us")
        met.append(told("100,000 epochs: a late one", [late], "us", 1.5 * early))
        reads = []
        for _ in range(20):
            start = time.perf_counter()
            service.client.get(f"/v1/jobs/{job['id']}/history").raise_for_status()
            reads.append((time.perf_counter() - start) * 1000)
        met.append(told("    reading its history, 500 points", reads, "ms", 100))
        service.close()
    return 1 if strict and not all(met) else 0


if __name__ == "__main__":
    sys.exit(main())
