"""How a job's features reach the network: as asked for, as shown, and for jobs from before one could ask."""

import pytest

from app.jobs import queue
from app.jobs.planner import fitting_of
from app.jobs.store import JobRow
from app.worker import Worker


@pytest.fixture(scope="module")
def running(start_service, tmp_path_factory):
    with start_service(tmp_path_factory.mktemp("inputs") / "data") as service:
        yield service


@pytest.fixture(scope="module")
def pixels(running):
    """Twelve images of two pixels, of which the first is always dark."""
    rows = "".join(f"0,{i % 3},{i % 2}\n" for i in range(12))
    return running.upload(("dark,bright,label\n" + rows).encode(), name="pixels")["id"]


def post(running, pixels, **request):
    return running.client.post("/v1/jobs", json={"dataset_id": pixels, "target": "label", **request})


@pytest.mark.parametrize(("scaling", "width"), [("standard", 1), ("robust", 1), ("unit", 2), ("none", 2)])
def test_constant_columns_stay_where_the_numbers_stay(running, pixels, scaling, width):
    job = post(running, pixels, scaling=scaling).json()
    assert job["scaling"] == scaling
    assert job["plan"]["input_shape"] == [width]
    assert len(job["plan"]["left_out"]) == 2 - width


def test_flat_columns_become_an_image(running, pixels):
    layers = [{"kind": "reshape", "shape": [1, 2, 1]}, {"kind": "flatten"}, {"kind": "dense"}]
    job = post(running, pixels, scaling="none", network={"layers": layers}).json()
    assert job["plan"]["network"]["layers"][0]["output_shape"] == [1, 2, 1]
    refused = post(running, pixels, network={"layers": layers})
    assert refused.status_code == 422
    assert refused.json()["errors"][0]["pointer"].startswith("/network/layers/0")


def test_a_job_keeps_the_types_that_its_columns_had(running, tmp_path):
    rows = "".join(f"{i},{i % 7}.5,{i * 2}\n" for i in range(40))
    dataset = running.upload(f"x,weight,price\n{rows}".encode())["id"]
    request = {"dataset_id": dataset, "target": "price", "sample_weight": "weight", "task": "regression"}
    job = running.client.post("/v1/jobs", json=request | {"training": {"epochs": 1}}).json()
    changes = [{"name": name, "type": "categorical"} for name in ("x", "weight", "price")]
    answer = running.client.patch(f"/v1/datasets/{dataset}", json={"columns": changes})
    assert answer.status_code == 200, answer.text
    with running.context.database.write() as session:
        held = session.get(JobRow, job["id"])
        worker = Worker(running.settings)
        fitting = fitting_of(worker._describe(held, tmp_path).assignment)
    worker._wake.close()
    worker._database.close()
    plan = fitting.plan.model_dump(mode="json")
    assert plan | {"quality": "recommended", "notes": job["plan"]["notes"]} == job["plan"]


def test_an_unknown_scaling_is_refused(running, pixels):
    assert post(running, pixels, scaling="log").json()["errors"][0]["pointer"] == "/scaling"


def test_pretraining_is_checked_before_the_job_is_queued(running, pixels):
    network = {"layers": [{"kind": "dense", "units": 3}, {"kind": "sigmoid"}, {"kind": "dense"}]}
    training = {"pretraining": {"kind": "rbm"}}
    accepted = post(running, pixels, scaling="unit", network=network, training=training)
    assert accepted.status_code == 202, accepted.text
    assert "pretraining" in accepted.json()["plan"]["notes"][0]
    for request, pointer in (
        ({"scaling": "none", "network": network}, "/training/pretraining/visible"),
        ({"scaling": "unit"}, "/network"),  # the recommended one
    ):
        refused = post(running, pixels, training=training, **request)
        assert refused.status_code == 422
        assert refused.json()["errors"][0]["pointer"] == pointer


def test_a_job_from_before_one_could_ask_is_standardised(running, pixels, tmp_path):
    job_id = post(running, pixels, priority=100).json()["id"]
    with running.context.database.write() as session:
        row = session.get(JobRow, job_id)
        later = {"scaling", "categories", "clip", "quality"}
        row.request = {name: value for name, value in row.request.items() if name not in later}
    assert running.client.get(f"/v1/jobs/{job_id}").json()["scaling"] == "standard"
    with running.context.database.write() as session:
        held = queue.claim(session, "wrk_test")
    assert held.id == job_id
    worker = Worker(running.settings)
    assert worker._describe(held, tmp_path).assignment.goal.scales == "standard"
    worker._wake.close()
    worker._database.close()
