"""`backpropd serve` as a process, for tests that need the real thing."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx

from engine.templates import MlpSpec

PENGUINS = Path(__file__).parents[2] / "app" / "demo" / "penguins.csv"

SMALL = MlpSpec().build().model_dump(mode="json")
"""A network that trains in no time, whose recipe is that of `TrainingSpec`'s defaults."""


SLOW_SECONDS = 0.03
"""That a machine takes for `_additions`, on which so many epochs last long enough as `lasting` is asked for."""


def _additions():
    begin, total = time.perf_counter(), 0
    for number in range(200_000):
        total += number
    return time.perf_counter() - begin


_PACE = max(1.0, SLOW_SECONDS / min(_additions() for _ in range(7)))


def lasting(epochs):
    """So many epochs, and more on a quick machine, where a job would be over before a test has done anything to it."""
    return round(epochs * _PACE)


class Running:
    """A `backpropd serve` process; `settings` by their names, `failpoints` as app/failpoints.py has them.

    Each failpoint acts `once`, or else in every process that comes by.
    """

    def __init__(self, data, failpoints="", once=True, **settings):
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
                *(f"--{name.replace('_', '-')}={value}" for name, value in settings.items()),
            ],
            env={
                **os.environ,
                "BACKPROPD_FAILPOINTS": failpoints,
            }
            | ({"BACKPROPD_FAILPOINTS_ONCE": str(data.parent)} if once else {}),
            stdout=self.log,
            stderr=self.log,
            start_new_session=True,
        )
        # Shorter than the service keeps an idle connection, which may end just as a request is sent.
        limits = httpx.Limits(keepalive_expiry=2)
        self.client = httpx.Client(base_url=self.url, timeout=60, limits=limits)
        try:
            self.wait(self.is_ready)
        except BaseException:
            self.close()  # who failed to get it cannot close it
            raise

    def is_ready(self):
        assert self.process.poll() is None, Path(self.log.name).read_text()
        try:
            return self.client.get("/readyz").status_code == 200
        except httpx.TransportError:
            return False

    def wait(self, condition, seconds=300):
        end, pause = time.monotonic() + seconds, 0.01
        while time.monotonic() < end:
            if value := condition():
                return value
            time.sleep(pause)
            pause = min(1.2 * pause, 0.15)  # to ask costs the service more than many a job does
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
        """Launch a job, of a small network unless the request says anything about it."""
        if not {"network", "network_id", "start_from", "quality"} & request.keys():
            request["network"] = SMALL
        answer = self.client.post("/v1/jobs", json={"dataset_id": dataset_id, "target": target, **request})
        assert answer.status_code == 202, answer.text
        return answer.json()["id"]

    def job(self, job_id):
        return self.client.get(f"/v1/jobs/{job_id}").json()

    def do(self, job_id, action, status=200, **body):
        """POST an action on a job; the job."""
        answer = self.client.post(f"/v1/jobs/{job_id}/{action}", json=body or None)
        assert answer.status_code == status, answer.text
        return answer.json()

    def history(self, job_id):
        """All that a history holds, wall-clock fields apart."""
        answer = self.client.get(f"/v1/jobs/{job_id}/history?max_points=10000").json()
        return [
            {name: value for name, value in point.items() if name != "seconds"} for point in answer["points"]
        ]

    def workers(self):
        """The processes of the training workers."""
        command = ["pgrep", "-P", str(self.process.pid), "-f", "app.cli worker"]
        found = subprocess.run(command, capture_output=True, text=True, check=False)
        return list(map(int, found.stdout.split()))

    def until(self, job_id, *statuses, seconds=300):
        return self.wait(lambda: (job := self.job(job_id))["status"] in statuses and job, seconds)

    def until_epoch(self, job_id, epoch=1):
        return self.wait(
            lambda: ((job := self.job(job_id))["progress"] or {"epoch": 0})["epoch"] >= epoch and job
        )

    def runner_of(self, job_id):
        """The process that trains: the busiest of those that a fork server started."""
        self.until_epoch(job_id)
        return self.busiest_child()

    def busiest_child(self):
        """Of the processes that a fork server started, the one that computes most now."""
        command = ["pgrep", "-g", str(self.process.pid), "-f", "forkserver"]
        found = list(
            map(int, subprocess.run(command, capture_output=True, text=True, check=True).stdout.split())
        )
        before = {pid: _ticks(pid) for pid in found}
        time.sleep(0.2)
        return max(found, key=lambda pid: _ticks(pid) - before[pid])


def keys(data, *arguments):
    """What `backpropd keys` prints."""
    command = [sys.executable, "-m", "app.cli", "keys", *arguments, "--data", str(data)]
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=300)


def bearer(data, owner, scope):
    """The id and the header of a new key."""
    made = keys(data, "create", "--owner", owner, "--scope", scope)
    return made.stderr.partition(":")[0], {"Authorization": f"Bearer {made.stdout.strip()}"}


def _ticks(pid):
    """Processor time that a process has had; 0 where it has just ended."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except FileNotFoundError:
        return 0
    return int(fields[11]) + int(fields[12])


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
