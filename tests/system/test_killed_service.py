"""The whole service killed or stopped: what it has answered is there, and jobs go on."""

import itertools
import os
import signal
import sqlite3
import threading
import time
from contextlib import closing

import httpx
import pytest
from serving import PENGUINS, Running, lasting

pytestmark = pytest.mark.slow

NETWORK = {
    "layers": [{"kind": "dense", "units": 24}, {"kind": "relu"}, {"kind": "dropout"}, {"kind": "dense"}]
}
QUICK = {"checkpoint_seconds": 0.2, "lease_seconds": 2, "heartbeat_seconds": 0.5}


def launch(running, dataset_id, epochs):
    training = {"epochs": epochs, "early_stopping": None}
    return running.launch(dataset_id, "species", network=NETWORK, training=training)


def kill_everything(running):
    """SIGKILL to the API, its workers and all their children at once."""
    os.killpg(running.process.pid, signal.SIGKILL)
    running.process.wait(20)
    running.close()


def keep_asking(url, number, answered):
    """Create things until the service is gone; the ids of those that it has answered with 201 or 202."""
    with httpx.Client(base_url=url, timeout=20) as client:
        for i in itertools.count():
            name = f"n{number}-{i}"
            try:
                dataset = client.post(
                    f"/v1/datasets?name={name}",
                    content=b"x,y\n" + f"{i},a\n".encode() * 20 + b"-1,b\n" * 20,
                    headers={"Content-Type": "text/csv"},
                )
                network = client.post("/v1/networks", json={"name": name, **NETWORK})
                answers = [("datasets", dataset), ("networks", network)]
                if i % 4 == 0:
                    about = {"dataset_id": dataset.json()["id"], "target": "y"}
                    job = about | {"network": NETWORK, "training": {"epochs": 1}}
                    answers.append(("jobs", client.post("/v1/jobs", json=job)))
            except httpx.TransportError:
                return
            answered += [(kind, answer.json()["id"], answer.status_code) for kind, answer in answers]


def test_nothing_that_was_answered_is_lost(tmp_path):
    running = Running(tmp_path / "data", **QUICK)
    answered = []
    clients = [threading.Thread(target=keep_asking, args=(running.url, n, answered)) for n in range(4)]
    for client in clients:
        client.start()
    running.wait(lambda: answered)
    time.sleep(1.9)
    kill_everything(running)
    for client in clients:
        client.join()

    assert {status for _, _, status in answered} <= {201, 202}
    with closing(sqlite3.connect(tmp_path / "data" / "backpropd.db")) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
    again = Running(tmp_path / "data", **QUICK)
    try:
        for kind, id_, _ in answered:
            assert again.client.get(f"/v1/{kind}/{id_}").status_code == 200, (kind, id_)
            if kind == "datasets":
                rows = again.client.get(f"/v1/datasets/{id_}/rows?limit=100").json()["items"]
                assert len(rows) == 40
            if kind == "jobs":
                assert again.until(id_, "succeeded", "failed")["status"] == "succeeded"
        named = {row["id"] for row in each(again, "datasets")}
        assert named <= {path.stem for path in (tmp_path / "data" / "datasets").iterdir()}
    finally:
        again.close()


def each(running, kind):
    """All items of a list, page by page."""
    cursor = ""
    while True:
        page = running.client.get(f"/v1/{kind}?limit=100{cursor}").json()
        yield from page["items"]
        if page["next_cursor"] is None:
            return
        cursor = f"&cursor={page['next_cursor']}"


def test_a_worker_that_is_told_to_end_does_so_in_its_time(tmp_path):
    running, epochs = Running(tmp_path / "data", **QUICK, grace_seconds=8), lasting(600)
    try:
        job_id = launch(running, running.upload(PENGUINS.read_bytes()), epochs)
        running.until_epoch(job_id, 20)
        (worker,) = running.workers()
        os.kill(worker, signal.SIGTERM)
        running.wait(lambda: worker not in running.workers(), 10)
        job = running.until(job_id, "succeeded", "failed")
        assert (job["status"], job["attempt"], job["crashes"]) == ("succeeded", 2, 0)
        assert [point["epoch"] for point in running.history(job_id)] == list(range(1, epochs + 1))
    finally:
        running.close()


def test_going_on_in_another_environment_is_told(tmp_path):
    running = Running(tmp_path / "data", **QUICK, blas_threads=1)
    dataset = running.upload(PENGUINS.read_bytes())
    job_id, other = launch(running, dataset, lasting(700)), launch(running, dataset, 1)
    running.until_epoch(job_id, 20)
    running.do(job_id, "pause")
    running.until(job_id, "paused")
    running.until(other, "succeeded")
    running.close()

    again = Running(tmp_path / "data", **QUICK, blas_threads=2)
    try:
        again.do(job_id, "resume")
        job = again.until(job_id, "succeeded", "failed")
        assert (job["status"], job["environment_changed"]) == ("succeeded", True)
        assert not again.job(other)["environment_changed"]
        with again.client.stream("GET", f"/v1/jobs/{job_id}/events") as events:
            told = [line for line in events.iter_lines() if "environment" in line]
        assert told
    finally:
        again.close()
