"""`backpropd serve` as a process, for tests that need the real thing."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx

PENGUINS = Path(__file__).parents[2] / "app" / "demo" / "penguins.csv"


class Running:
    """A `backpropd serve` process."""

    def __init__(self, data):
        self.data = data
        self.url = f"http://127.0.0.1:{free_port()}"
        self.log = (data.parent / f"{data.name}.log").open("ab")
        self.process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "app.cli",
                "serve",
                "--data",
                str(data),
                "--port",
                self.url.rpartition(":")[2],
            ],
            stdout=self.log,
            stderr=self.log,
            start_new_session=True,
        )
        self.client = httpx.Client(base_url=self.url, timeout=60)
        self.wait(self.is_ready, 30)

    def is_ready(self):
        assert self.process.poll() is None, Path(self.log.name).read_text()
        try:
            return self.client.get("/readyz").status_code == 200
        except httpx.TransportError:
            return False

    def wait(self, condition, seconds=60):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if value := condition():
                return value
            time.sleep(0.01)
        raise AssertionError("it did not happen in time")

    def interrupt(self):
        """Ctrl-C: every process of the terminal's foreground group gets the signal."""
        os.killpg(self.process.pid, signal.SIGINT)
        self.process.wait(20)
        self.close()

    def close(self):
        if self.process.poll() is None:
            self.process.terminate()
            self.process.wait(20)
        self.client.close()
        self.log.close()

    def upload(self, data, name="data"):
        answer = self.client.post(
            f"/v1/datasets?name={name}", content=data, headers={"Content-Type": "text/csv"}
        )
        assert answer.status_code == 201, answer.text
        return answer.json()["id"]

    def launch(self, dataset_id, target, **request):
        answer = self.client.post("/v1/jobs", json={"dataset_id": dataset_id, "target": target, **request})
        assert answer.status_code == 202, answer.text
        return answer.json()["id"]

    def job(self, job_id):
        return self.client.get(f"/v1/jobs/{job_id}").json()

    def until(self, job_id, *statuses, seconds=60):
        return self.wait(lambda: (job := self.job(job_id))["status"] in statuses and job, seconds)

    def until_epoch(self, job_id, epoch=1):
        return self.wait(
            lambda: ((job := self.job(job_id))["progress"] or {"epoch": 0})["epoch"] >= epoch and job
        )

    def runner_of(self, job_id):
        """The process that trains: the busiest of those that a fork server started."""
        self.until_epoch(job_id)
        command = ["pgrep", "-g", str(self.process.pid), "-f", "forkserver"]
        found = subprocess.run(command, capture_output=True, text=True, check=True)
        return max(map(int, found.stdout.split()), key=cpu_ticks)


def cpu_ticks(pid):
    before = _ticks(pid)
    time.sleep(0.05)
    return _ticks(pid) - before


def _ticks(pid):
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
