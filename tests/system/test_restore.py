"""`backpropd backup` during a training, and `backpropd restore`: the same predictions, and the training goes on."""

import subprocess
import sys
import tarfile

import pytest
from serving import PENGUINS, Running, lasting

pytestmark = pytest.mark.slow

QUICK = {"lease_seconds": 2, "heartbeat_seconds": 0.5, "checkpoint_seconds": 0.05}
RECORD = {"island": "Biscoe", "bill_length_mm": 47.5, "flipper_length_mm": 218}
TRAINING = {"epochs": lasting(600), "early_stopping": None, "batch_size": 32}
RESTS = "before-checkpoint@6:stop"
"""The job's process stops a third of a second on, so that the training is not over before the backup is."""


def command(*arguments):
    return subprocess.run(
        [sys.executable, "-m", "app.cli", *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )


def figures(service, job_id):
    """What must be the same wherever the job was trained: its history without the times."""
    points = service.client.get(f"/v1/jobs/{job_id}/history?max_points=10000").json()["points"]
    return [(point["epoch"], point["train_loss"], point["validation_loss"]) for point in points]


def go_on(service):
    """Have the process go on that a failpoint has stopped; whether there is one already."""
    stopped = ["pkill", "-CONT", "-g", str(service.process.pid), "--runstates", "T"]
    return subprocess.run(stopped, check=False).returncode == 0


def predictions(service):
    answer = service.client.post("/v1/models/birds/predict", json={"records": [RECORD]})
    assert answer.status_code == 200, answer.text
    return answer.json()


@pytest.mark.parametrize("into", ["sqlite", "postgresql"])
def test_a_backup_taken_during_training_goes_on_as_if_nothing_had_been(tmp_path, into, request):
    service = Running(tmp_path / "data", RESTS, **QUICK)
    archive = tmp_path / "backup.tar"
    try:
        dataset = service.upload(PENGUINS.read_bytes(), "penguins")
        service.until(
            service.launch(dataset, "species", training={"epochs": 3}, model_name="birds"), "succeeded"
        )
        before = predictions(service)
        job_id = service.launch(dataset, "species", training=TRAINING)
        service.wait(lambda: service.client.get(f"/v1/jobs/{job_id}/checkpoints").json()["items"])
        made = command("backup", archive, "--data", service.data)
        assert made.returncode == 0, made.stderr
        assert "1 data sets, 1 models" in made.stdout
        assert service.job(job_id)["status"] == "running", "the job is too short for this test"
        service.wait(lambda: go_on(service))
        undisturbed = service.until(job_id, "succeeded", "failed")
        history = figures(service, job_id)
    finally:
        service.close()

    checked = command("backup", "--check", archive, "--data", tmp_path / "nowhere")
    assert (checked.returncode, checked.stdout[:6]) == (0, "whole:"), checked.stderr
    with tarfile.open(archive) as tar:
        assert any(name.startswith(f"checkpoints/{job_id}/") for name in tar.getnames())

    settings = (
        {} if into == "sqlite" else {"database_url": request.getfixturevalue("postgres").create("restored")}
    )
    options = [f"--database-url={url}" for url in settings.values()]
    done = command("restore", archive, "--data", tmp_path / "restored", *options)
    assert done.returncode == 0, done.stderr
    again = command("restore", archive, "--data", tmp_path / "restored", *options)
    assert (again.returncode, "not empty" in again.stderr) == (1, True)

    restored = Running(tmp_path / "restored", **QUICK, **settings)
    try:
        assert predictions(restored) == before
        job = restored.until(job_id, "succeeded", "failed")
        assert (job["status"], undisturbed["status"], job["attempt"]) == ("succeeded", "succeeded", 2)
        assert job["weights_sha256"] == undisturbed["weights_sha256"]
        assert figures(restored, job_id) == history
    finally:
        restored.close()


def test_a_damaged_archive_is_told_in_a_sentence(tmp_path):
    (tmp_path / "b.tar").write_bytes(b"x" * 20_000)
    for arguments in (("backup", "--check"), ("restore",)):
        ended = command(*arguments, tmp_path / "b.tar", "--data", tmp_path / "data")
        assert ended.returncode == 1
        assert "is damaged" in ended.stderr
        assert "Traceback" not in ended.stderr
