"""A job of several networks over HTTP: planned, trained, shown, asked, and what does not suit it refused."""

import pytest

from app.children import start_fork_server
from app.worker import Worker

pytestmark = pytest.mark.slow  # a training in a process of its own

NETWORK = {"layers": [{"kind": "dense", "units": 4}, {"kind": "relu"}, {"kind": "dense"}]}
TRAINING = {
    "epochs": 4,
    "batch_size": 64,
    "validation": {"kind": "k_fold", "folds": 3},
    "seed": 1,
    "baselines": "none",
}


def request(dataset_id, **changes):
    return {"dataset_id": dataset_id, "target": "species", "network": NETWORK, "training": TRAINING} | changes


@pytest.fixture(scope="module")
def running(start_service, tmp_path_factory):
    with start_service(tmp_path_factory.mktemp("folds") / "data", kernels="numpy") as service:
        yield service


@pytest.fixture(scope="module")
def penguins(running):
    return running.upload_penguins()["id"]


@pytest.fixture(scope="module")
def queued(running, penguins):
    response = running.client.post("/v1/jobs", json=request(penguins))
    assert response.status_code == 202, response.text
    return response.json()


@pytest.fixture(scope="module")
def job(running, queued):
    refused = running.client.patch(f"/v1/jobs/{queued['id']}", json={"epochs": 9})
    assert refused.status_code == 409
    assert "trains 3 networks" in refused.json()["detail"]
    start_fork_server(compiled=False)
    worker = Worker(running.settings)
    try:
        worker._run(worker._claim())
    finally:
        worker._database.close()
        worker._wake.close()
    return running.client.get(f"/v1/jobs/{queued['id']}").json()


@pytest.fixture(scope="module")
def model(running, job):
    assert job["status"] == "succeeded", job["error"]
    return running.client.get(f"/v1/models/{job['model_id']}").json()


def test_the_plan_tells_of_the_folds(queued):
    folds = queued["plan"]["folds"]
    assert [fold["fold"] for fold in folds] == [1, 2, 3]
    assert sum(fold["validation"] for fold in folds) == 344
    assert queued["training"]["members"] == 3
    assert any("out-of-fold" in note for note in queued["plan"]["notes"])


def test_progress_and_history_count_all_folds(running, job):
    assert (job["progress"]["epoch"], job["progress"]["epochs"], job["progress"]["fraction"]) == (12, 12, 1.0)
    points = running.client.get(f"/v1/jobs/{job['id']}/history").json()["points"]
    assert [point["epoch"] for point in points] == list(range(1, 13))
    assert [(point["fold"], point["fold_epoch"]) for point in points] == [
        (fold, epoch) for fold in (1, 2, 3) for epoch in (1, 2, 3, 4)
    ]


def test_the_report_is_of_out_of_fold_answers(model):
    report = model["evaluation"]
    assert (report["of"], report["rows"]) == ("out_of_fold", 344)
    assert [fold["rows"] for fold in report["folds"]] == [115, 115, 114]
    accuracies = [fold["figures"]["accuracy"] for fold in report["folds"]]
    assert report["spread"]["accuracy"]["mean"] == pytest.approx(sum(accuracies) / 3)
    assert len(model["lineage"]["training"]["best_epoch"]) == 3


def test_it_predicts_and_is_evaluated(running, penguins, model):
    record = {"island": "Torgersen", "bill_length_mm": 39.1}
    answer = running.client.post(f"/v1/models/{model['id']}/predict", json={"records": [record] * 2}).json()
    first, second = answer["predictions"]
    assert sum(first["probabilities"].values()) == pytest.approx(1)
    assert first == second
    response = running.client.post(f"/v1/models/{model['id']}/evaluate", json={"dataset_id": penguins})
    assert response.json()["evaluation"]["rows"] == 344


def test_out_of_fold_answers_come_in_pages(running, model):
    path = f"/v1/models/{model['id']}/out-of-fold"
    page = running.client.get(path, params={"limit": 300}).json()
    assert (len(page["items"]), page["next_cursor"]) == (300, "300")
    rest = running.client.get(path, params={"limit": 300, "cursor": page["next_cursor"]}).json()
    assert (len(rest["items"]), rest["next_cursor"]) == (44, None)
    items = [*page["items"], *rest["items"]]
    assert [item["row"] for item in items] == list(range(344))
    assert {item["fold"] for item in items} == {1, 2, 3}
    assert {item["networks"] for item in items} == {1}
    assert items[0]["label"] == max(items[0]["probabilities"], key=items[0]["probabilities"].get)
    beyond = running.client.get(path, params={"cursor": "999"}).json()
    assert (beyond["items"], beyond["next_cursor"]) == ([], None)
    assert running.client.get("/v1/models/nothing/out-of-fold").status_code == 404


def test_what_makes_no_sense_of_several_networks_is_refused(running, penguins, job, model):
    more = running.client.post(f"/v1/jobs/{job['id']}/continue", json={"epochs": 2})
    assert more.status_code == 409
    assert "3 networks" in more.json()["detail"]
    start = running.client.post("/v1/jobs", json=request(penguins, start_from=model["id"]))
    assert start.status_code == 422
    assert start.json()["errors"][0]["pointer"] == "/start_from"
    assert "3 networks" in start.json()["detail"]


REFUSED = {
    "members beside folds": (
        {"validation": {"kind": "k_fold", "folds": 3}, "members": 5},
        "members",
        "leave members out",
    ),
    "group and time": (
        {"validation": {"kind": "k_fold", "group": "sex", "time": "year"}},
        "validation",
        "not both",
    ),
    "too many networks": (
        {"validation": {"kind": "k_fold", "folds": 50, "repeats": 3}},
        "validation",
        "150 networks",
    ),
    "no such group": (
        {"validation": {"kind": "k_fold", "group": "flock"}},
        "validation/group",
        "no column 'flock'",
    ),
    "too few groups": (
        {"validation": {"kind": "k_fold", "group": "sex", "folds": 4}},
        "validation",
        "3 groups",
    ),
    "times that are words": (
        {"validation": {"kind": "fraction", "time": "island"}},
        "validation/time",
        "categorical",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_folds_that_cannot_be_are_refused(running, penguins, name):
    training, place, words = REFUSED[name]
    response = running.client.post("/v1/jobs?validate_only=true", json=request(penguins, training=training))
    assert response.status_code == 422, response.text
    (error,) = response.json()["errors"]
    assert error["pointer"] == f"/training/{place}"
    assert words in error["detail"]


def test_members_alone_take_the_recommended_recipe_on_folds(running, penguins):
    wanted = {"dataset_id": penguins, "target": "species", "training": {"members": 4, "epochs": 2}}
    response = running.client.post("/v1/jobs", json=wanted)
    assert response.status_code == 202, response.text
    job = response.json()
    assert job["training"]["validation"]["kind"] == "k_fold"
    assert [fold["validation"] for fold in job["plan"]["folds"]] == [86] * 4
    assert len({layer["kind"] for layer in job["network"]["layers"]}) > 3
    assert running.client.post(f"/v1/jobs/{job['id']}/cancel").json()["status"] == "cancelled"
