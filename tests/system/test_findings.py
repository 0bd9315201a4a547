"""The training doctor over HTTP: in the job, as events, and with a remedy that can be sent."""

import json
import os
import signal

import numpy as np
import pytest
from serving import PENGUINS, Running

from engine.doctor import Operation, apply

pytestmark = pytest.mark.slow

ASLEEP = {
    "layers": [
        {"kind": "dense", "units": 16, "bias_initializer": {"kind": "normal", "mean": -10, "std": 0}},
        {"kind": "relu"},
        {"kind": "dense"},
    ]
}


@pytest.fixture(scope="module")
def service(tmp_path_factory):
    running = Running(tmp_path_factory.mktemp("findings") / "data")
    yield running
    running.close()


def finished(service, job_id):
    """The job at its end."""

    def ended():
        job = service.client.get(f"/v1/jobs/{job_id}").json()
        return job if job["status"] in {"succeeded", "failed"} else None

    return service.wait(ended)


def events(service, job_id):
    """All events of a finished job as (kind, data)."""
    text = service.client.get(f"/v1/jobs/{job_id}/events").text
    blocks = [
        dict(line.split(": ", 1) for line in block.splitlines() if ": " in line)
        for block in text.split("\n\n")
    ]
    return [(block["event"], json.loads(block["data"])) for block in blocks if "event" in block]


def test_a_diverged_job_says_what_to_do_and_the_remedy_works(service):
    dataset_id = service.upload(PENGUINS.read_bytes())
    training = {"epochs": 5, "optimizer": {"kind": "sgd", "learning_rate": 1000}}
    job_id = service.launch(dataset_id, "species", training=training)
    job = finished(service, job_id)
    assert job["status"] == "failed"
    assert job["error"]["code"] == "diverged"
    [finding] = [one for one in job["findings"] if one["code"] == "divergence" and one["severity"] == "error"]
    assert [data for kind, data in events(service, job_id) if kind == "finding"] == job["findings"]
    patch = [Operation.model_validate(one) for one in finding["remedy"]["patch"]]
    answer = service.client.post("/v1/jobs", json=apply(job["request"], patch))
    assert answer.status_code == 202, answer.text
    again = finished(service, answer.json()["id"])
    assert again["status"] == "succeeded"
    assert [one["code"] for one in again["findings"] if one["severity"] != "info"] == []


def test_a_remedy_of_the_network_is_sent_with_the_network(service):
    """The request named its network by id: the patch brings the whole of it, changed."""
    dataset_id = service.upload(PENGUINS.read_bytes())
    network = service.client.post("/v1/networks", json={"name": "asleep", **ASLEEP}).json()
    launched = service.launch(dataset_id, "species", network_id=network["id"], training={"epochs": 4})
    job = finished(service, launched)
    [finding] = [one for one in job["findings"] if one["code"] == "dead_relus"]
    patch = [Operation.model_validate(one) for one in finding["remedy"]["patch"]]
    assert {one.path for one in patch} == {"/network", "/network_id"}
    answer = service.client.post("/v1/jobs", json=apply(job["request"], patch))
    assert answer.status_code == 202, answer.text
    assert answer.json()["network"]["layers"][finding["layer"]]["kind"] == "leaky_relu"


def test_a_healthy_job_has_no_warning(service):
    dataset_id = service.upload(PENGUINS.read_bytes())
    job = finished(service, service.launch(dataset_id, "species", quality="recommended"))
    assert job["status"] == "succeeded"
    assert [one["title"] for one in job["findings"] if one["severity"] != "info"] == []


def test_a_resumed_job_tells_nothing_twice(tmp_path):
    """The process is killed after it has told some findings, and others come later."""
    rng = np.random.default_rng(0)
    rows = "\n".join(
        f"{a:.4f},{b:.4f},{'yes' if i % 30 == 0 else 'no'}"
        for i, (a, b) in enumerate(rng.normal(size=(600, 2)))
    )
    running = Running(tmp_path / "data", checkpoint_seconds=0.2)
    try:
        dataset_id = running.upload(f"a,b,answer\n{rows}\n".encode())
        training = {"epochs": 700, "early_stopping": None}
        job_id = running.launch(dataset_id, "answer", network=ASLEEP, training=training)
        running.until_epoch(job_id, 20)
        os.kill(running.runner_of(job_id), signal.SIGKILL)
        job = finished(running, job_id)
        assert job["status"] == "succeeded", job["error"]
        assert job["attempt"] > 1
        told = [(one["code"], one["place"], one["severity"]) for one in job["findings"]]
        assert ("dead_relus", "/network/layers/1", "error") in told
        assert ("class_imbalance", None, "warning") in told
        assert ("plateau", None, "info") in told
        assert len(told) == len(set(told))
        assert [data for kind, data in events(running, job_id) if kind == "finding"] == job["findings"]
    finally:
        running.close()
