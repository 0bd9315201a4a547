"""Predictions by a training that is not over, from its newest checkpoint."""

import pytest
from serving import PENGUINS, SMALL, Running

from app.database import Database
from app.jobs import service as jobs
from app.jobs.snapshots import snapshot
from app.settings import Settings
from app.storage import Storage
from engine.ensemble import load_model_file

pytestmark = pytest.mark.slow

ROW = {"island": "Torgersen", "bill_length_mm": 39.1, "bill_depth_mm": 18.7, "flipper_length_mm": 181}
LONG = {"epochs": 1_000_000, "early_stopping": None, "seed": 3}


@pytest.fixture(scope="module")
def service(tmp_path_factory):
    running = Running(tmp_path_factory.mktemp("asked") / "data", checkpoint_seconds=0.2)
    yield running
    running.close()


@pytest.fixture(scope="module")
def penguins(service):
    return service.upload(PENGUINS.read_bytes(), "penguins")


def ask(service, job_id, records=(ROW,)):
    return service.client.post(f"/v1/jobs/{job_id}/predict", json={"records": list(records)})


def launch(service, dataset_id, **training):
    return service.launch(dataset_id, "species", network=SMALL, training=LONG | training)


def newest(service, job_id):
    return service.wait(lambda: service.client.get(f"/v1/jobs/{job_id}/checkpoints").json()["items"])[0]


def test_a_job_is_asked_while_it_runs_and_while_it_rests(service, penguins):
    job_id = launch(service, penguins)
    waiting = launch(service, penguins)
    answer = ask(service, waiting)
    assert (answer.status_code, answer.json()["detail"]) == (409, "the job has no checkpoint yet")
    service.do(waiting, "cancel")
    newest(service, job_id)
    first = ask(service, job_id)
    assert first.status_code == 200, first.text
    service.wait(lambda: newest(service, job_id)["step"] > first.json()["step"])
    second = ask(service, job_id).json()
    assert second["step"] > first.json()["step"]
    assert second["epoch"] >= first.json()["epoch"]
    service.do(job_id, "pause")
    service.until(job_id, "paused")
    rested, state = ask(service, job_id).json(), newest(service, job_id)
    assert {name: rested[name] for name in ("job_id", "epoch", "step")} == {
        "job_id": job_id,
        "epoch": state["epoch"],
        "step": state["step"],
    }
    assert rested == ask(service, job_id).json()
    [prediction] = rested["predictions"]
    assert prediction["label"] == "Adelie"
    assert sum(prediction["probabilities"].values()) == pytest.approx(1)
    header, values = ",".join(ROW), ",".join(map(str, ROW.values()))
    csv = service.client.post(
        f"/v1/jobs/{job_id}/predict",
        content=f"{header}\n{values}\n",
        headers={"Content-Type": "text/csv"},
    )
    assert csv.json() == rested
    service.do(job_id, "cancel")
    assert ask(service, job_id).json() == rested


def test_what_is_wrong_is_said(service, penguins):
    job_id = launch(service, penguins)
    newest(service, job_id)
    answer = ask(service, job_id, [{"bill_length_mm": "long"}])
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"] == "/records/0/bill_length_mm"
    assert ask(service, "job_0").status_code == 404
    service.do(job_id, "cancel")
    several = launch(service, penguins, members=2, validation={"kind": "fraction", "fraction": 0.5})
    newest(service, several)
    answer = ask(service, several)
    assert (answer.status_code, "several networks" in answer.json()["detail"]) == (409, True)
    service.do(several, "cancel")


def test_the_model_of_the_last_checkpoint_is_that_of_the_job(service, penguins, tmp_path):
    job_id = launch(service, penguins, epochs=30)
    model_id = service.until(job_id, "succeeded")["model_id"]
    answer = ask(service, job_id)
    assert answer.status_code == 409
    assert model_id in answer.json()["detail"]
    state, storage = newest(service, job_id), Storage(service.data)
    database = Database(Settings(data=service.data).url)
    with database.read() as session:
        assignment = jobs.assignment_of(session, storage, job_id).model_dump_json()
    database.close()
    [saved] = [path for path in storage.checkpoints_of(job_id).iterdir() if str(state["step"]) in path.name]
    snapshot(assignment, saved, tmp_path / "model")
    made, kept = load_model_file(tmp_path / "model"), load_model_file(storage.model(model_id))
    assert made.theta.tobytes() == kept.theta.tobytes()
    assert (made.encoder, made.network, made.target.kind) == (kept.encoder, kept.network, kept.target.kind)
