"""The life of a job in real processes: killed, stopped, paused, changed, and each time the same bits in the end."""

import os
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing

import pytest
from serving import PENGUINS, Running, lasting

pytestmark = pytest.mark.slow

EPOCHS = lasting(600)
RECIPE = {"epochs": EPOCHS, "early_stopping": None, "seed": 5}
NETWORK = {
    "layers": [
        {"kind": "dense", "units": 24},
        {"kind": "batch_normalization"},
        {"kind": "relu"},
        {"kind": "dropout", "rate": 0.2},
        {"kind": "dense"},
    ]
}
QUICK = {"checkpoint_seconds": 0.2, "lease_seconds": 2, "heartbeat_seconds": 0.5}


@pytest.fixture(scope="module")
def service(tmp_path_factory):
    running = Running(tmp_path_factory.mktemp("life") / "data", **QUICK)
    yield running
    running.close()


@pytest.fixture(scope="module")
def penguins(service):
    return service.upload(PENGUINS.read_bytes(), "penguins")


def launch(service, dataset_id, **changes):
    return service.launch(
        dataset_id, "species", network=NETWORK, training=RECIPE | changes.pop("training", {}), **changes
    )


def outcome(service, job_id, seconds=300):
    """Hash and history of a job that has to succeed."""
    job = service.until(job_id, "succeeded", "failed", "cancelled", seconds=seconds)
    assert job["status"] == "succeeded", job["error"]
    history = service.history(job_id)
    assert [point["epoch"] for point in history] == list(range(1, len(history) + 1))
    return job["weights_sha256"], history


@pytest.fixture(scope="module")
def undisturbed(service, penguins):
    return outcome(service, launch(service, penguins))


def has_checkpoint(service, job_id):
    return service.wait(lambda: service.client.get(f"/v1/jobs/{job_id}/checkpoints").json()["items"])


def kill_process(service, job_id):
    """SIGKILL to the job's process, once it trains."""
    progress = service.job(job_id)["progress"]
    service.until_epoch(job_id, 10 + (progress["epoch"] if progress else 0))
    os.kill(service.runner_of(job_id), signal.SIGKILL)


def test_a_killed_process_ends_with_the_same_bits(service, penguins, undisturbed):
    job_id = launch(service, penguins)
    for _ in range(2):
        has_checkpoint(service, job_id)
        attempt = service.job(job_id)["attempt"]
        kill_process(service, job_id)
        service.wait(lambda attempt=attempt: service.job(job_id)["attempt"] > attempt)
    assert outcome(service, job_id) == undisturbed
    job = service.job(job_id)
    assert (job["attempt"], job["crashes"], job["environment_changed"]) == (3, 2, False)


def test_a_killed_worker_ends_with_the_same_bits(service, penguins, undisturbed):
    job_id = launch(service, penguins)
    has_checkpoint(service, job_id)
    (worker,) = service.workers()
    os.kill(worker, signal.SIGKILL)
    assert outcome(service, job_id) == undisturbed
    assert service.job(job_id)["attempt"] == 2


def test_three_kills_fail_the_job_and_the_queue_moves_on(service, penguins):
    job_id = launch(service, penguins, training={"epochs": 1_000_000})
    for crashes in (1, 2, 3):
        kill_process(service, job_id)
        service.wait(lambda crashes=crashes: service.job(job_id)["crashes"] == crashes)
    job = service.until(job_id, "failed")
    assert job["error"]["code"] == "process_died"
    assert "3 times" in job["error"]["detail"]
    assert "SIGKILL" in job["error"]["detail"]
    outcome(service, launch(service, penguins, training={"epochs": 1}))


def test_a_pause_changes_no_bit(service, penguins, undisturbed):
    job_id = launch(service, penguins)
    service.until_epoch(job_id, 20)
    asked = service.do(job_id, "pause")
    assert asked["pause_requested_at"]
    paused = service.until(job_id, "paused")
    newest = has_checkpoint(service, job_id)[0]
    assert newest["epoch"] == paused["progress"]["epoch"] < EPOCHS
    assert service.do(job_id, "pause")["status"] == "paused"
    service.do(job_id, "resume")
    assert outcome(service, job_id) == undisturbed
    assert service.job(job_id)["crashes"] == 0


def test_a_graceful_stop_gives_the_job_back_with_a_checkpoint(tmp_path, undisturbed):
    running = Running(tmp_path / "data", checkpoint_seconds=1000)
    job_id = launch(running, running.upload(PENGUINS.read_bytes()))
    running.until_epoch(job_id, 20)
    running.interrupt()
    again = Running(tmp_path / "data")
    try:
        job = again.job(job_id)
        assert (job["attempt"], job["crashes"]) == (2, 0)
        assert outcome(again, job_id) == undisturbed
    finally:
        again.close()


def stop_between_transactions(worker, database):
    """SIGSTOP; taken back where it holds the writer's lock, which nobody could have before it goes on."""
    os.kill(worker, signal.SIGSTOP)
    with closing(sqlite3.connect(database, timeout=2, isolation_level=None)) as connection:
        try:
            connection.execute("BEGIN IMMEDIATE")
            connection.execute("ROLLBACK")
        except sqlite3.OperationalError:
            os.kill(worker, signal.SIGCONT)
            return False
        return True


def test_a_worker_stopped_past_its_lease_can_write_nothing(tmp_path, undisturbed):
    settings = QUICK | {"lease_seconds": 5}
    running = Running(tmp_path / "data", **settings)
    (stopped,) = running.workers()
    options = [f"--{name.replace('_', '-')}={value}" for name, value in settings.items()]
    other = subprocess.Popen(
        [sys.executable, "-m", "app.cli", "worker", "--data", str(running.data), *options],
        stdout=running.log,
        stderr=running.log,
    )
    try:
        running.wait(lambda: "backpropd_live_workers 2.0" in running.client.get("/metrics").text)
        dataset = running.upload(PENGUINS.read_bytes())
        os.kill(other.pid, signal.SIGSTOP)  # so that the job is not its own at first
        job_id = launch(running, dataset)
        has_checkpoint(running, job_id)
        running.wait(lambda: stop_between_transactions(stopped, running.data / "backpropd.db"))
        os.kill(other.pid, signal.SIGCONT)
        running.wait(lambda: (job := running.job(job_id))["attempt"] == 2 and job["status"] == "running")
        os.kill(stopped, signal.SIGCONT)
        assert outcome(running, job_id) == undisturbed
        assert running.job(job_id)["attempt"] == 2
        folder = running.data / "checkpoints" / job_id
        # The one before the last goes once the end is written.
        running.wait(lambda: [path.name.partition("-")[0] for path in folder.iterdir()] == ["2"])
        models = running.client.get("/v1/models").json()["items"]
        assert [model["job_id"] for model in models] == [job_id]
        running.wait(lambda: "not this worker's any more" in (tmp_path / "data.log").read_text())
    finally:
        for pid in (stopped, other.pid):
            os.kill(pid, signal.SIGCONT)
        other.terminate()
        other.wait(20)
        running.close()


def test_a_changed_job_is_replayed_with_equal_weights(service, penguins, undisturbed):
    job_id = launch(service, penguins)
    service.until_epoch(job_id, 5)
    answer = service.client.patch(
        f"/v1/jobs/{job_id}", json={"learning_rate": 0.0003, "epochs": EPOCHS + 100}
    )
    assert answer.status_code == 200, answer.text
    changed = service.wait(lambda: (job := service.job(job_id))["changes"][0]["step"] is not None and job)
    assert changed["changes"][0]["learning_rate"] == 0.0003
    has_checkpoint(service, job_id)
    kill_process(service, job_id)
    weights, history = outcome(service, job_id)
    assert len(history) == EPOCHS + 100
    assert weights != undisturbed[0]
    assert {point["learning_rate"] for point in history} == {0.001, 0.0003}

    answer = service.client.post(f"/v1/jobs/{job_id}/replay", headers={"Idempotency-Key": "again"})
    assert answer.status_code == 202
    replay = answer.json()["id"]
    assert outcome(service, replay) == (weights, history)
    assert service.job(replay)["replay"] == {"of": job_id, "weights_sha256": weights, "equal": True}


def test_a_continued_job_is_as_if_it_had_been_longer(service, penguins, undisturbed):
    first = launch(service, penguins, training={"epochs": EPOCHS // 2})
    outcome(service, first)
    second = service.do(first, "continue", 202, epochs=EPOCHS - EPOCHS // 2)
    assert second["continues"] == first
    job = service.until(second["id"], "succeeded", "failed")
    assert job["weights_sha256"] == undisturbed[0]
    assert service.history(second["id"]) == undisturbed[1][EPOCHS // 2 :]
    assert job["progress"]["epochs"] == EPOCHS

    again = service.do(second["id"], "replay", 202)["id"]
    service.client.delete(f"/v1/jobs/{first}")
    assert service.until(again, "succeeded", "failed")["replay"]["equal"] is True


def test_a_job_starts_from_a_model(service, penguins, undisturbed):
    job = service.until(launch(service, penguins, model_name="base", training={"epochs": 60}), "succeeded")
    low = {"kind": "sgd", "learning_rate": 1e-6}
    started = service.launch(
        penguins,
        "species",
        start_from="base",
        training={"epochs": 1, "optimizer": low, "early_stopping": None},
    )
    job = service.until(started, "succeeded", "failed")
    assert job["status"] == "succeeded", job["error"]
    assert job["start_from"].startswith("mdl_")
    assert service.history(started)[0]["validation_loss"] < 0.2 < undisturbed[1][0]["validation_loss"]


def test_a_cancelled_job_is_retried_from_its_checkpoint(service, penguins, undisturbed):
    job_id = launch(service, penguins)
    has_checkpoint(service, job_id)
    service.do(job_id, "cancel")
    service.until(job_id, "cancelled")
    assert service.do(job_id, "retry")["attempt"] == 2
    assert outcome(service, job_id) == undisturbed


def test_a_torn_checkpoint_is_passed_over(service, penguins, undisturbed):
    job_id = launch(service, penguins)
    service.wait(lambda: len(service.client.get(f"/v1/jobs/{job_id}/checkpoints").json()["items"]) == 2)
    service.do(job_id, "pause")
    service.until(job_id, "paused")
    newest, _ = sorted(
        (service.data / "checkpoints" / job_id).iterdir(), key=lambda path: path.stat().st_mtime, reverse=True
    )
    torn = bytearray(newest.read_bytes())
    torn[len(torn) // 2] ^= 1
    newest.write_bytes(torn)
    service.do(job_id, "resume")
    assert outcome(service, job_id) == undisturbed
    with service.client.stream("GET", f"/v1/jobs/{job_id}/events") as response:
        assert "its checksum does not hold" in response.read().decode()


@pytest.mark.parametrize(
    "failpoints",
    [
        "after-checkpoint-rename@2:kill,before-model:kill",
        "before-checkpoint:error=ENOSPC,after-checkpoint-rename@3:error=EIO",
    ],
)
def test_a_death_at_a_named_place_changes_no_bit(tmp_path, undisturbed, failpoints):
    """Two of many: tests/system/test_chaos.py dies at all of them."""
    running = Running(tmp_path / "data", failpoints, **QUICK)
    try:
        assert outcome(running, launch(running, running.upload(PENGUINS.read_bytes()))) == undisturbed
        names = {item.partition(":")[0].partition("@")[0] for item in failpoints.split(",")}
        running.wait(lambda: names <= {path.name for path in tmp_path.iterdir()})
        models = running.wait(lambda: running.client.get("/v1/models").json()["items"])
        assert len(models) == 1
    finally:
        running.close()
