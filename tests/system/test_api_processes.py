"""Several processes that answer: one port, one truth, weights that they share."""

import os
import signal
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
from serving import PENGUINS, Running

pytestmark = pytest.mark.slow

RECORD = {"island": "Dream", "bill_length_mm": 40.0}


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    running = Running(tmp_path_factory.mktemp("service") / "data", api_processes=2)
    yield running
    running.close()


def processes(running):
    """The processes that answer."""
    command = ["pgrep", "-P", str(running.process.pid), "-f", "app.cli api"]
    found = subprocess.run(command, capture_output=True, text=True, check=False).stdout.split()
    return [running.process.pid, *map(int, found)]


def train(running):
    dataset = running.upload(PENGUINS.read_bytes())
    job = running.launch(dataset, "species", training={"epochs": 1}, model_name="penguins")
    return running.until(job, "succeeded")["model_id"]


def ask(running, ref="penguins"):
    """Of a new connection, which either process may take."""
    answer = httpx.post(f"{running.url}/v1/models/{ref}/predict", json={"records": [RECORD]}, timeout=300)
    assert answer.status_code == 200, answer.text
    return answer.json()


def maps(pid, model):
    return f"{model}.safetensors" in Path(f"/proc/{pid}/maps").read_text()


def test_both_answer_with_weights_that_they_share(running):
    model = train(running)
    both = processes(running)
    assert len(both) == 2
    with ThreadPoolExecutor(8) as pool:  # at once, so that one process alone cannot keep up
        running.wait(
            lambda: (
                list(pool.map(lambda _: ask(running), range(16))) and all(maps(pid, model) for pid in both)
            )
        )
    lines = Path(f"/proc/{both[0]}/maps").read_text().splitlines()
    [mapped] = [line for line in lines if f"{model}.safetensors" in line]
    assert mapped.split()[1] == "r--s"  # read-only and shared


def test_a_move_that_one_process_makes_the_other_sees(running):
    train(running)
    train(running)
    versions = [item["version"] for item in running.client.get("/v1/models?name=penguins").json()["items"]][
        :2
    ]
    for version in versions * 5:
        alias = f"{running.url}/v1/models/penguins/aliases/live"
        assert httpx.put(alias, json={"version": version}).is_success
        assert {ask(running, "penguins@live")["version"] for _ in range(4)} == {version}


def test_one_that_dies_is_replaced_and_none_outlives_the_first(running):
    train(running)
    _, second = processes(running)
    os.kill(second, signal.SIGKILL)
    running.wait(lambda: len(both := processes(running)) == 2 and second not in both)
    _, third = processes(running)
    assert ask(running)["predictions"]
    running.process.kill()
    running.process.wait()
    running.wait(
        lambda: not Path(f"/proc/{third}").exists() or "Z" in Path(f"/proc/{third}/stat").read_text()
    )
