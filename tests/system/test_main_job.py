"""Real processes over real HTTP: jobs that succeed, fail, are cancelled, killed and interrupted."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time

import httpx
import polars as pl
import pytest
from serving import PENGUINS, Running, lasting
from sklearn.datasets import load_diabetes, load_iris, load_wine
from sklearn.model_selection import train_test_split

pytestmark = pytest.mark.slow

LONG = {"epochs": 1_000_000, "early_stopping": None}


@pytest.fixture
def start(tmp_path):
    """Starts services; ends what still runs at the end."""
    services = []

    def begin(**settings):
        services.append(Running(tmp_path / "data", **settings))
        return services[-1]

    yield begin
    for service in services:
        if not service.client.is_closed:
            service.close()


@pytest.fixture(scope="module")
def service(tmp_path_factory):
    running = Running(tmp_path_factory.mktemp("main") / "data", blas_threads=2)
    yield running
    running.close()


@pytest.fixture(scope="module")
def penguins(service):
    return service.upload(PENGUINS.read_bytes(), "penguins")


def test_the_whole_main_job(service, penguins):
    network = service.client.post(
        "/v1/networks", json={"name": "small", "template": {"kind": "mlp", "hidden": [32, 16]}}
    ).json()
    job_id = service.launch(penguins, "species", network_id=network["id"], tags=["t"], training={"seed": 3})
    told = list(events(service.client, job_id))
    assert [kind for kind, _ in told if kind != "epoch"] == ["status"] * 3 + ["done"]
    epochs = [point["epoch"] for kind, data in told if kind == "epoch" for point in data["points"]]
    assert epochs == list(range(1, len(epochs) + 1))

    job = service.job(job_id)
    assert job["status"] == "succeeded"
    assert job["progress"]["fraction"] == 1
    assert job["started_at"] <= job["finished_at"]
    history = service.client.get(f"/v1/jobs/{job_id}/history").json()["points"]
    assert [point["epoch"] for point in history] == epochs
    assert set(history[0]["metrics"]) == {"train_accuracy", "validation_accuracy"}

    model = service.client.get(f"/v1/models/{job['model_id']}").json()
    assert (model["name"], model["version"], model["job_id"]) == ("species-penguins", 1, job_id)
    assert model["evaluation"]["accuracy"] >= 0.95
    assert model["lineage"]["seed"] == 3
    assert model["lineage"]["environment"]["blas"]
    assert model["lineage"]["environment"]["kernels"].split()[0] in {"numpy", "numba"}
    assert model["lineage"]["training"]["best_epoch"] >= 1
    records = [
        {"island": "Biscoe", "bill_length_mm": 47.5, "flipper_length_mm": "218", "sex": None, "hat": "red"}
    ]
    answer = service.client.post("/v1/models/species-penguins/predict", json={"records": records}).json()
    (prediction,) = answer["predictions"]
    assert prediction["label"] == "Gentoo"
    assert sum(prediction["probabilities"].values()) == pytest.approx(1)
    assert any("hat" in warning for warning in prediction["warnings"])
    report = service.client.post("/v1/models/species-penguins/evaluate", json={"dataset_id": penguins}).json()
    assert report["evaluation"]["accuracy"] >= 0.95


def events(client, job_id):
    with client.stream("GET", f"/v1/jobs/{job_id}/events", headers={"Last-Event-ID": "0"}) as response:
        kind = ""
        for line in response.iter_lines():
            field, _, value = line.partition(": ")
            if field == "event":
                kind = value
            elif field == "data":
                yield kind, json.loads(value)


def test_same_seed_same_model_file_weights(service, penguins):
    request = {"training": {"epochs": 3, "seed": 11}}
    ids = [service.launch(penguins, "species", model_name=f"twin-{i}", **request) for i in range(2)]
    histories = []
    for job_id in ids:
        assert service.until(job_id, "succeeded", "failed")["status"] == "succeeded"
        points = service.client.get(f"/v1/jobs/{job_id}/history").json()["points"]
        histories.append(
            [{name: value for name, value in point.items() if name != "seconds"} for point in points]
        )
    assert histories[0] == histories[1]


def test_the_recommended_recipe_is_kept_with_the_job_and_replayed(service, penguins):
    """The worker trains what was planned, with all that the recipe filled in."""
    job_id = service.launch(penguins, "island", quality="recommended", training={"epochs": 3})
    job = service.until(job_id, "succeeded", "failed")
    assert job["status"] == "succeeded", job["error"]
    assert (job["quality"], job["categories"], job["training"]["epochs"]) == ("recommended", "by_size", 3)
    assert job["network"]["layers"][0]["kind"] == "columns"
    replay = service.client.post(f"/v1/jobs/{job_id}/replay").json()["id"]
    again = service.until(replay, "succeeded", "failed")
    assert again["replay"]["equal"] is True
    assert again["weights_sha256"] == job["weights_sha256"]


def test_a_running_job_is_cancelled_within_a_batch(service, penguins):
    job_id = service.launch(penguins, "species", training=LONG)
    service.until_epoch(job_id)
    asked = time.monotonic()
    service.client.post(f"/v1/jobs/{job_id}/cancel")
    job = service.until(job_id, "cancelled")
    assert time.monotonic() - asked < 5
    assert job["model_id"] is None
    assert service.client.get(f"/v1/jobs/{job_id}/history").json()["points"]
    assert service.client.post(f"/v1/jobs/{job_id}/cancel").status_code == 200


def test_a_diverging_job_says_so(service, penguins):
    training = {"epochs": 200, "optimizer": {"kind": "sgd", "learning_rate": 900}, "early_stopping": None}
    job = service.until(service.launch(penguins, "body_mass_g", training=training), "failed", "succeeded")
    assert job["status"] == "failed"
    assert job["error"]["code"] == "diverged"
    assert "lower the learning rate" in job["error"]["detail"]


def test_a_job_over_its_time_fails(service, penguins):
    job = service.until(service.launch(penguins, "species", training=LONG, limits={"seconds": 1}), "failed")
    assert job["error"]["code"] == "time_limit"


def interrupted(start, epochs):
    """A job whose service got Ctrl-C while it ran."""
    service = start()
    dataset = service.upload(PENGUINS.read_bytes())
    job_id = service.launch(dataset, "species", training={"epochs": epochs, "early_stopping": None})
    service.until_epoch(job_id)
    service.interrupt()
    return job_id


def test_an_interrupted_job_starts_again_and_can_be_cancelled(start):
    job_id = interrupted(start, epochs=20_000)
    service = start()
    job = service.job(job_id)
    assert job["status"] in {"queued", "running"}
    assert job["attempt"] == 2
    service.client.post(f"/v1/jobs/{job_id}/cancel")
    service.until(job_id, "cancelled")


def test_an_interrupted_job_is_done_after_the_next_start(start):
    job_id = interrupted(start, epochs=lasting(500))
    job = start().until(job_id, "succeeded", "failed", seconds=300)
    assert job["status"] == "succeeded"
    assert job["attempt"] == 2


def test_a_killed_worker_is_replaced_and_nothing_stays_running(start):
    service = start(lease_seconds=5, heartbeat_seconds=1)
    dataset = service.upload(PENGUINS.read_bytes())
    job_id = service.launch(dataset, "species", training=LONG)
    service.until_epoch(job_id)
    worker = subprocess.run(
        ["pgrep", "-P", str(service.process.pid), "-f", "app.cli worker"],
        capture_output=True,
        text=True,
        check=True,
    )
    os.kill(int(worker.stdout), signal.SIGKILL)
    service.wait(lambda: service.job(job_id)["attempt"] == 2)
    service.client.post(f"/v1/jobs/{job_id}/cancel")
    service.until(job_id, "cancelled")


def test_many_clients_follow_one_job(service, penguins):
    job_id = service.launch(penguins, "species", training={"epochs": 300, "early_stopping": None})
    counted = []

    def follow():
        with httpx.Client(base_url=service.url, timeout=300) as client:
            told = events(client, job_id)
            counted.append(sum(len(data["points"]) for kind, data in told if kind == "epoch"))

    threads = [threading.Thread(target=follow) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert counted == [300] * 8


@pytest.mark.parametrize(
    ("load", "figure", "bar"), [(load_wine, "accuracy", 0.94), (load_diabetes, "r2", 0.4)]
)
def test_real_tables_apart(service, load, figure, bar):
    """20 % of the rows sent apart and scored by /evaluate, mean of 5 seeds."""
    frame = as_frame(load())
    scores = []
    for seed in range(5):
        train, test = (
            frame[rows] for rows in train_test_split(range(frame.height), test_size=0.2, random_state=seed)
        )
        name = f"{load.__name__}-{seed}".replace("_", "-")
        job_id = service.launch(
            service.upload(csv(train)), "target", model_name=name, training={"seed": seed}
        )
        assert service.until(job_id, "succeeded", "failed")["status"] == "succeeded"
        apart = service.upload(csv(test))
        report = service.client.post(f"/v1/models/{name}/evaluate", json={"dataset_id": apart}).json()
        scores.append(report["evaluation"][figure])
    assert sum(scores) / len(scores) >= bar, scores


def as_frame(data):
    return pl.DataFrame(data.data, schema=list(data.feature_names)).with_columns(
        target=pl.Series(data.target)
    )


def csv(frame):
    return frame.write_csv().encode()


def test_one_epoch_of_iris(service):
    data = csv(as_frame(load_iris()))
    job_id = service.launch(service.upload(data, "iris"), "target", training={"epochs": 1})
    assert service.until(job_id, "succeeded", "failed")["status"] == "succeeded"


def test_an_address_that_is_taken_is_told_before_anything_starts(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        command = [sys.executable, "-m", "app.cli", "serve", "--port", str(port), "--data", tmp_path / "data"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        f"backpropd: cannot listen on 127.0.0.1:{port}: Address already in use"
    ]
    assert not (tmp_path / "data").exists()
