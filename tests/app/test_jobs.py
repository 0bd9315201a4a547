"""Jobs over HTTP, without a worker: what is accepted, what is refused and where."""

import json
from concurrent.futures import ThreadPoolExecutor

import pytest

from app.database import now
from app.events import store as events
from app.jobs import queue, store
from engine.templates import MlpSpec

NETWORK = {"layers": [{"kind": "dense", "units": 8}, {"kind": "relu"}, {"kind": "dense"}]}


@pytest.fixture(scope="module")
def running(start_service, tmp_path_factory):
    with start_service(tmp_path_factory.mktemp("jobs") / "data") as service:
        yield service


@pytest.fixture(scope="module")
def penguins(running):
    return running.upload_penguins()["id"]


@pytest.fixture(scope="module")
def awkward(running):
    """Thirty rows with one column for each way in which a target can be of no use."""
    header = "x,empty,one,few,price,label,note\n"
    rows = [
        f"{i},,only,{'yes' if i < 5 else ''},{i}.5,{'a' if i % 2 else 'b'},long words {i} here\n"
        for i in range(30)
    ]
    return running.upload((header + "".join(rows)).encode(), name="awkward")["id"]


def test_a_job_is_queued_with_its_plan(running, penguins):
    response = running.client.post(
        "/v1/jobs", json={"dataset_id": penguins, "target": "species", "tags": ["t1"]}
    )
    assert response.status_code == 202
    job = response.json()
    assert response.headers["location"] == f"/v1/jobs/{job['id']}"
    assert (job["status"], job["attempt"], job["task"]) == ("queued", 1, "multiclass")
    assert job["model_name"] == "species-penguins"
    kept_apart = {"calibration": 0, "test": 0}
    wanted = {"total": 344, "dropped": 0, "training": 275, "validation": 69}
    assert job["plan"]["rows"] == wanted | kept_apart
    assert (job["quality"], job["scaling"], job["categories"]) == ("recommended", "robust", "by_size")
    assert job["plan"]["quality"] == "recommended"
    assert "RealMLP-TD" in job["plan"]["notes"][0]
    assert job["plan"]["training"] == job["training"] == job["request"]["training"]
    assert job["training"]["epochs"] == 256
    assert job["training"]["optimizer"]["learning_rate"] == 0.04
    assert job["training"]["rate_factors"]["s"] == 6
    dense = [layer["units"] for layer in job["network"]["layers"] if layer["kind"] == "dense"]
    assert dense == [256, 256, 256, 3]
    assert job["created_at"].endswith("Z")
    assert running.client.get(f"/v1/jobs/{job['id']}").json() == job


def test_validate_only_queues_nothing(running, penguins):
    before = len(running.client.get("/v1/jobs?limit=100").json()["items"])
    response = running.client.post(
        "/v1/jobs?validate_only=true",
        json={"dataset_id": penguins, "target": "body_mass_g", "network": NETWORK},
    )
    assert response.status_code == 200
    plan = response.json()
    assert plan["task"] == "regression"
    assert plan["network"]["layers"][0]["formula"]
    assert plan["memory_bytes"] > 0
    assert plan["estimated_seconds"] > 0
    assert len(running.client.get("/v1/jobs?limit=100").json()["items"]) == before


def test_a_given_field_overrides_the_recipe_s(running, penguins):
    training = {"epochs": 3, "optimizer": {"kind": "sgd", "learning_rate": 0.5}}
    job = running.client.post(
        "/v1/jobs", json={"dataset_id": penguins, "target": "species", "training": training}
    ).json()
    assert (job["training"]["epochs"], job["training"]["optimizer"]["kind"]) == (3, "sgd")
    assert job["training"]["schedule"]["kind"] == "coslog4"
    assert job["training"]["early_stopping"]["patience"] == 3


def test_the_request_as_shown_can_be_sent_again(running, penguins):
    body = {"dataset_id": penguins, "target": "species", "quality": "fast", "training": {"epochs": 3}}
    first = running.client.post("/v1/jobs", json=body).json()
    again = running.client.post("/v1/jobs", json=first["request"]).json()
    assert again["request"] == first["request"]
    assert again["network"] == first["network"]


def test_quality_beside_a_network_is_refused(running, penguins):
    body = {"dataset_id": penguins, "target": "species", "quality": "high", "network": NETWORK}
    answer = running.client.post("/v1/jobs", json=body)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"] == "/quality"
    assert "the network is given" in answer.json()["errors"][0]["detail"]


def layers(*specs):
    return {"layers": list(specs)}


DENSE = {"kind": "dense"}

REFUSED = {
    # name: (changes to a job that is right, pointer, words)
    "no data set": ({"dataset_id": "ds_nope"}, "/dataset_id", "no data set"),
    "no network": ({"network_id": "net_nope"}, "/network_id", "no network"),
    "two networks": ({"network_id": "net_nope", "network": NETWORK}, "", "not more"),
    "a template and a network": ({"template": {"kind": "mlp"}, "network": NETWORK}, "", "not more"),
    "a template of another kind": ({"template": {"kind": "mpl"}}, "/template/kind", "did you mean 'mlp'"),
    "a template that does not suit": ({"template": {"kind": "lenet5"}}, "/template", "/layers/0"),
    "unknown field": ({"colour": "red"}, "/colour", "unknown field"),
    "unknown field deep": (
        {"network": layers(DENSE | {"unit": 3})},
        "/network/layers/0/unit",
        "unknown field",
    ),
    "unknown kind": ({"network": layers({"kind": "conv9d"})}, "/network/layers/0/kind", "conv9d"),
    "no kind": ({"network": layers({"units": 3})}, "/network/layers/0/kind", "kind"),
    "wrong type": ({"training": {"epochs": "many"}}, "/training/epochs", "integer"),
    "out of bounds": ({"training": {"epochs": 0}}, "/training/epochs", "greater than 0"),
    "huge units": ({"network": layers({"kind": "dense", "units": 10**300}, DENSE)}, "/network", "budget"),
    "units of 1e12": ({"network": layers({"kind": "dense", "units": 10**12}, DENSE)}, "/network", "budget"),
    "a row that no memory holds": (
        {
            "network": layers(
                {"kind": "reshape", "shape": [-1, 1, 1]}, *[{"kind": "upsampling2d", "factor": 4096}] * 900
            )
        },
        "/network/layers/139",
        "no memory holds",
    ),
    "a misspelt kind": (
        {"network": layers({"kind": "Dense"})},
        "/network/layers/0/kind",
        "did you mean 'dense'?",
    ),
    "a loss by its name": ({"training": {"loss": "mse"}}, "/training/loss", '{"kind": "mse"}'),
    "an optimizer by its name": (
        {"training": {"optimizer": "adam"}},
        "/training/optimizer",
        '{"kind": "adam"}',
    ),
    "a list of layers": ({"network": [DENSE]}, "/network", "must be an object"),
    "a loss that the recommended network does not suit": (
        {"training": {"loss": {"kind": "mae"}}},
        "/network",
        "the recommended network does not suit",
    ),
    "negative rate": (
        {"training": {"optimizer": {"kind": "adam", "learning_rate": -1}}},
        "/training/optimizer/learning_rate",
        "greater than 0",
    ),
    "early stopping without validation": (
        {"training": {"validation": {"kind": "none"}, "early_stopping": {"patience": 3}}},
        "/training/early_stopping",
        "needs a validation",
    ),
    "no validation data set": (
        {"training": {"validation": {"kind": "dataset", "dataset_id": "ds_nope"}}},
        "/training/validation/dataset_id",
        "no data set",
    ),
    "no target in a list": ({"target": []}, "/target", "the list is empty"),
    "target not there": ({"target": "colour"}, "/target", "no column 'colour'"),
    "target all missing": ({"target": "empty"}, "/target", "no value in any row"),
    "target of one class": ({"target": "one"}, "/target", "one class"),
    "too few rows": ({"target": "few"}, "/target", "5 rows with a target"),
    "no usable feature": ({"features": ["one", "empty"]}, "/features", "no usable feature"),
    "feature not there": ({"features": ["x", "y"]}, "/features/1", "no column 'y'"),
    "output that does not fit": (
        {"network": layers({"kind": "dense", "units": 7})},
        "/network/layers/0",
        "7",
    ),
    "impossible shape": (
        {"network": {"input_shape": [28, 28], **layers(DENSE)}},
        "/network/input_shape",
        "rows of shape",
    ),
    "relu under log loss": (
        {"network": layers(DENSE, {"kind": "relu"})},
        "/network/layers/1",
        "makes no sense",
    ),
    "loss that does not fit": (
        {"training": {"loss": {"kind": "cross_entropy"}}},
        "/training/loss",
        "not a loss for",
    ),
    "class that is not there": (
        {"training": {"class_weights": {"c": 2}}},
        "/training/class_weights/c",
        "no class 'c'",
    ),
    "weight that is none": ({"sample_weight": "label2"}, "/sample_weight", "no column"),
    "bad model name": ({"model_name": "Über/../x"}, "/model_name", "a-z"),
    "model name like an id": ({"model_name": "mdl_x"}, "/model_name", "id"),
    "priority": ({"priority": 1000}, "/priority", "100"),
}


@pytest.mark.parametrize(("change", "pointer", "words"), REFUSED.values(), ids=REFUSED)
def test_refused(running, awkward, change, pointer, words):
    jobs = running.client.get("/v1/jobs?limit=100").json()
    files = running.files()
    body = {"dataset_id": awkward, "target": "label"} | change
    for query in ("", "?validate_only=true"):
        response = running.client.post(f"/v1/jobs{query}", json=body)
        assert response.status_code == 422, response.text
        assert response.headers["content-type"] == "application/problem+json"
        problem = response.json()
        assert problem["errors"][0]["pointer"] == pointer, problem
        assert words in problem["errors"][0]["detail"], problem
        assert problem["detail"]
    assert running.client.get("/v1/jobs?limit=100").json() == jobs
    assert running.files() == files


def test_rows_that_train_do_not_validate(running, awkward):
    validation = {"kind": "dataset", "dataset_id": awkward}
    body = {"dataset_id": awkward, "target": "label", "training": {"validation": validation}}
    response = running.client.post("/v1/jobs?validate_only=true", json=body)
    assert response.status_code == 422
    (error,) = response.json()["errors"]
    assert error["pointer"] == "/training/validation/dataset_id"
    assert "the data set that is trained on" in error["detail"]


@pytest.mark.parametrize("text", ["NaN", "Infinity", "1e999", "9" * 5000, "[" * 100 + "]" * 100])
def test_json_that_is_none(running, text):
    response = running.client.post(
        "/v1/jobs",
        content=f'{{"dataset_id": "ds_x", "target": "a", "priority": {text}}}',
        headers={"Content-Type": "application/json"},
    )
    assert response.status_code == 422
    assert response.json()["detail"]


def test_a_body_over_the_limit(running):
    response = running.client.post("/v1/jobs", json={"dataset_id": "x" * (2 << 20)})
    assert response.status_code == 413
    assert response.headers["content-type"] == "application/problem+json"


def test_a_template_makes_the_network(running, penguins):
    template = {"kind": "mlp", "hidden": [12, 6]}
    request = {"dataset_id": penguins, "target": "species", "template": template}
    job = running.client.post("/v1/jobs", json=request).json()
    units = [layer["units"] for layer in job["network"]["layers"] if layer["kind"] == "dense"]
    assert units == [12, 6, 3]
    by_hand = {"layers": MlpSpec(hidden=(12, 6)).build().model_dump(mode="json")["layers"]}
    same = running.client.post("/v1/jobs", json=request | {"template": None, "network": by_hand}).json()
    assert (same["network"], same["plan"]) == (job["network"], job["plan"])


def test_a_network_by_id_is_to_blame_by_id(running, penguins):
    network = running.client.post(
        "/v1/networks", json={"name": "n", "layers": [{"kind": "dense", "units": 2}]}
    ).json()
    response = running.client.post(
        "/v1/jobs", json={"dataset_id": penguins, "target": "species", "network_id": network["id"]}
    )
    assert response.status_code == 422
    (error,) = response.json()["errors"]
    assert error["pointer"] == "/network_id"
    assert "/layers/0" in error["detail"]


def test_lists_are_paged_and_filtered(running, penguins):
    for i in range(3):
        body = {"dataset_id": penguins, "target": "sex", "tags": [f"page{i % 2}"], "model_name": "paged"}
        assert running.client.post("/v1/jobs", json=body).status_code == 202
    first = running.client.get("/v1/jobs?name=paged&limit=2").json()
    rest = running.client.get(f"/v1/jobs?name=paged&limit=2&cursor={first['next_cursor']}").json()
    ids = [job["id"] for job in first["items"] + rest["items"]]
    assert len(ids) == 3
    assert ids == sorted(ids, reverse=True)
    assert rest["next_cursor"] is None
    assert len(running.client.get("/v1/jobs?tag=page0&name=paged").json()["items"]) == 2
    assert running.client.get("/v1/jobs?status=succeeded").json()["items"] == []
    assert "plan" not in first["items"][0]


def test_cancelling_a_queued_job_is_immediate_and_can_be_repeated(running, penguins):
    job = running.client.post("/v1/jobs", json={"dataset_id": penguins, "target": "sex"}).json()
    for _ in range(2):
        response = running.client.post(f"/v1/jobs/{job['id']}/cancel")
        assert response.status_code == 200
        assert response.json()["status"] == "cancelled"
    assert response.json()["finished_at"]
    assert running.client.delete(f"/v1/jobs/{job['id']}").status_code == 204
    assert running.client.get(f"/v1/jobs/{job['id']}").status_code == 404


def test_an_unfinished_job_cannot_be_deleted(running, penguins):
    job = running.client.post("/v1/jobs", json={"dataset_id": penguins, "target": "sex"}).json()
    response = running.client.delete(f"/v1/jobs/{job['id']}")
    assert response.status_code == 409
    assert "queued" in response.json()["detail"]


@pytest.mark.parametrize("path", ["", "/history", "/events"])
def test_a_job_that_is_not_there(running, path):
    assert running.client.get(f"/v1/jobs/job_nope{path}").status_code == 404


def test_fifty_equal_posts_make_one_job(running, penguins):
    body = {"dataset_id": penguins, "target": "island", "model_name": "once"}
    headers = {"Idempotency-Key": "fifty"}

    def post(_):
        while (answer := running.client.post("/v1/jobs", json=body, headers=headers)).status_code == 503:
            assert answer.headers["Retry-After"]  # a slow machine: the first one is still being planned
        return answer

    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(post, range(50)))
    assert {answer.status_code for answer in answers} == {202}
    assert len({answer.json()["id"] for answer in answers}) == 1
    assert len(running.client.get("/v1/jobs?name=once").json()["items"]) == 1
    other = running.client.post("/v1/jobs", json=body | {"priority": 1}, headers=headers)
    assert other.status_code == 422


def finish(service, job_id, epochs):
    """Do what a worker would, in three commits."""
    with service.context.database.write() as session:
        job = queue.claim(session, "wrk_test")
        while job.id != job_id:
            job = queue.claim(session, "wrk_test")
    half = epochs // 2
    for part in (range(1, half + 1), range(half + 1, epochs + 1)):
        with service.context.database.write() as session:
            queue.record(
                session,
                job,
                [
                    {
                        "epoch": epoch,
                        "step": epoch,
                        "train_loss": 1 / epoch,
                        "validation_loss": 2 / epoch,
                        "learning_rate": 0.1,
                        "penalty": 0.0,
                        "seconds": epoch / 100,
                        "metrics": {"train_accuracy": 0.5},
                    }
                    for epoch in part
                ],
            )
    with service.context.database.write() as session:
        queue.succeed(session, job, "mdl_x")


def stream(service, job_id, **headers):
    """Every event of a finished job: (id, kind, data)."""
    found, event = [], {}
    with service.client.stream("GET", f"/v1/jobs/{job_id}/events", headers=headers) as response:
        assert response.headers["content-type"].startswith("text/event-stream")
        for line in response.iter_lines():
            if line:
                field, _, value = line.partition(": ")
                event[field] = value
            elif event:
                found.append((int(event["id"]), event["event"], json.loads(event["data"])))
                event = {}
    return found


def test_the_events_of_a_finished_job(service):
    dataset = service.upload_penguins()
    job = service.client.post("/v1/jobs", json={"dataset_id": dataset["id"], "target": "sex"}).json()
    finish(service, job["id"], 2000)
    told = stream(service, job["id"])
    assert [kind for _, kind, _ in told] == ["status", "status", "epoch", "status", "done"]
    assert [data.get("status") for _, _, data in told] == [
        "queued",
        "running",
        None,
        "succeeded",
        "succeeded",
    ]
    points = told[2][2]["points"]
    assert len(points) == 500
    assert (points[0]["epoch"], points[-1]["epoch"]) == (1, 2000)
    ids = [sequence for sequence, _, _ in told]
    assert ids == sorted(ids)

    for seen, _, _ in told:
        rest = stream(service, job["id"], **{"Last-Event-ID": str(seen)})
        assert [sequence for sequence, _, _ in rest] == [sequence for sequence in ids if sequence > seen]
    first_epochs = stream(service, job["id"], **{"Last-Event-ID": "3"})[0]
    assert first_epochs[2]["points"][0]["epoch"] == 1001  # without gap or repeat

    history = service.client.get(f"/v1/jobs/{job['id']}/history?max_points=100").json()["points"]
    assert len(history) == 100
    assert history[-1]["epoch"] == 2000
    assert service.client.delete(f"/v1/datasets/{dataset['id']}").status_code == 204
    assert service.client.get(f"/v1/jobs/{job['id']}").json()["dataset_id"] is None


def test_a_data_set_in_use_stays(service):
    dataset = service.upload_penguins()
    job = service.client.post("/v1/jobs", json={"dataset_id": dataset["id"], "target": "sex"}).json()
    assert service.client.delete(f"/v1/datasets/{dataset['id']}").status_code == 409
    service.client.post(f"/v1/jobs/{job['id']}/cancel")
    assert service.client.delete(f"/v1/datasets/{dataset['id']}").status_code == 204


def test_a_stream_ends_when_its_job_is_deleted(service):
    dataset = service.upload_penguins()
    job = service.client.post("/v1/jobs", json={"dataset_id": dataset["id"], "target": "sex"}).json()
    service.client.post(f"/v1/jobs/{job['id']}/cancel")
    with service.context.database.write() as session:
        last = events.after(session, job["id"], 0)[-1].sequence
    assert stream(service, job["id"], **{"Last-Event-ID": str(last)}) == []
    assert (
        service.client.get(f"/v1/jobs/{job['id']}/events", headers={"Last-Event-ID": "x"}).status_code == 422
    )


def test_the_running_status_shows(service):
    dataset = service.upload_penguins()
    job = service.client.post("/v1/jobs", json={"dataset_id": dataset["id"], "target": "sex"}).json()
    with service.context.database.write() as session:
        queue.claim(session, "wrk_test")
    for _ in range(2):
        asked = service.client.post(f"/v1/jobs/{job['id']}/cancel").json()
        assert asked["status"] == "running"
        assert asked["cancel_requested_at"]
    with service.context.database.read() as session:
        assert store.get(session, job["id"]).cancel_requested_at <= now()
