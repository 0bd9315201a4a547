"""Everything has an owner, and nobody else can tell that it is there."""

import json
import re

import polars as pl
import pytest
from fastapi.routing import iter_route_contexts
from hand_made import ROWS, keep, make
from hand_made_jobs import claim, queued
from keyed import Keyed
from sqlalchemy import select

from app.auth import service as auth
from app.datasets.store import DatasetRow
from app.idempotency import StoredAnswer
from app.ids import new_id
from app.jobs import success
from app.jobs.store import JobRow
from app.models.store import ModelRow

CSV = b"x,y\n" + b"".join(b"%d,%d\n" % (i, i % 2) for i in range(40))


INFER = {"inputs": [{"name": "bill", "shape": [1], "datatype": "FP32", "data": [40]}]}
NETWORK = {"name": "n", "layers": [{"kind": "dense"}]}
BODIES = {
    ("PATCH", "/v1/datasets/{dataset_id}"): {"name": "x"},
    ("PATCH", "/v1/jobs/{job_id}"): {"epochs": 20},
    ("POST", "/v1/jobs/{job_id}/continue"): {"epochs": 1},
    ("PATCH", "/v1/models/{ref}"): {"notes": "x"},
    ("PUT", "/v1/models/{name}/aliases/{alias}"): {"version": 1},
    ("POST", "/v1/models/{ref}/predict"): {"records": [{}]},
    ("POST", "/v1/jobs/{job_id}/predict"): {"records": [{}]},
    ("POST", "/v1/models/{ref}/evaluate"): {"dataset_id": "ds_x"},
    ("POST", "/v1/models/{ref}/explain"): {"method": "gedeon"},
    ("POST", "/v1/models/{ref}/batch-predictions"): {"dataset_id": "ds_x"},
}
BODIES |= {("POST", f"/v2/models/{{name}}{version}/infer"): INFER for version in ("", "/versions/{version}")}
BODIES |= {
    ("POST", f"/v1/models/{{name}}{version}:predict"): {"instances": [{"bill": 40}]}
    for version in ("", "/versions/{version}")
}
QUERIES = {
    "/v1/datasets/{dataset_id}/drift": {"reference": "ds_x"},
    "/v1/networks/{network_id}/summary": {"input_shape": "4"},
    "/v1/models/{ref}/export": {"format": "safetensors"},
    "/v1/models/{ref}/effects": {"feature": "bill"},
    "/v1/models/{ref}/decision-surface": {"x": "bill", "y": "island", "points": "2"},
}
PREFIX = {
    "dataset_id": "ds",
    "network_id": "net",
    "job_id": "job",
    "ref": "mdl",
    "batch_id": "bat",
    "webhook_id": "whk",
}
# As long as those that are missing, since answers name them.
THERE = {"name": "penguins", "alias": "champion", "version": "1"}
MISSING = {"name": "penguinz", "alias": "champiom", "version": "1"}
GLOBAL = {"/v1/keys/{key_id}"}  # of all owners, for admins
VARYING = {"x-request-id", "date", "ratelimit"}


@pytest.fixture(scope="module")
def adas(start_service, tmp_path_factory):
    """Ada's things, by the name of their parameter, and keys of hers and bob's."""
    with start_service(
        tmp_path_factory.mktemp("owners"), rate_per_minute=0, webhook_allowed_hosts="127.0.0.1"
    ) as service:
        keyed = Keyed(service)
        ada, bob = (keyed.key(owner, "admin") for owner in ("ada", "bob"))
        with keyed.client(ada) as client:
            dataset = client.post("/v1/datasets", content=CSV, headers={"Content-Type": "text/csv"}).json()[
                "id"
            ]
            network = client.post("/v1/networks", json=NETWORK).json()["id"]
            answer = client.post(
                "/v1/jobs", json={"dataset_id": dataset, "target": "y", "network_id": network}
            )
            assert answer.status_code == 202, answer.text
            job = answer.json()["id"]
            rows = client.post(
                "/v1/datasets",
                content=pl.DataFrame(ROWS).write_csv(),
                headers={"Content-Type": "text/csv"},
            ).json()["id"]
        model = keep(service.context, make(), "penguins", owner="ada", dataset_id=rows).id
        things = {"dataset_id": dataset, "network_id": network, "job_id": job, "ref": model}
        things |= THERE
        with keyed.client(ada) as client:
            batch = client.post("/v1/models/penguins/batch-predictions", json={"dataset_id": rows}).json()[
                "id"
            ]
            things["batch_id"] = batch
            hook = {"url": "http://127.0.0.1:9/", "events": ["model.deleted"]}
            things["webhook_id"] = client.post("/v1/webhooks", json=hook).json()["id"]
            assert client.put("/v1/models/penguins/aliases/champion", json={"version": 1}).status_code == 200
        with keyed.client(ada) as hers, keyed.client(bob) as his:
            yield keyed, hers, his, things


def routes_with_ids(service):
    for route in iter_route_contexts(service.app.routes):
        if "{" in route.path and route.path not in GLOBAL:
            for method in sorted(route.methods - {"HEAD"}):
                yield method, route.path


def asked(client, method, path, parameters):
    body = BODIES.get((method, path))
    address = re.sub(r"\{(\w+)[^}]*\}", lambda found: parameters[found[1]], path)
    return client.request(method, address, json=body, params=QUERIES.get(path))


def shape(response, *names):
    """The answer but for the thing's name and what differs between any two answers."""
    headers = {name: value for name, value in response.headers.items() if name not in VARYING}
    text = response.text
    for name in names:
        text = text.replace(name, "NAME")
    return response.status_code, headers, text


def test_anothers_id_is_answered_like_a_missing_one_by_every_route(adas):
    keyed, hers, his, things = adas
    routes = list(routes_with_ids(keyed.service))
    assert len(routes) >= 20
    for method, path in routes:
        parameters = re.findall(r"\{(\w+)[^}]*\}", path)
        missing = {name: MISSING.get(name) or new_id(PREFIX[name]) for name in parameters}
        answer = asked(his, method, path, things)
        assert answer.status_code == 404, (method, path, answer.text)
        there = shape(answer, *(things[name] for name in parameters))
        assert there == shape(asked(his, method, path, missing), *missing.values()), (method, path)
    for method, path in routes:  # bob's requests changed nothing, and to ada all of it is there
        if method == "GET" and not path.endswith(("/events", "/out-of-fold", "/drift", "/result")):
            assert asked(hers, method, path, things).status_code == 200, path


@pytest.mark.parametrize(("there", "missing"), [("penguins", "penguinz"), ("penguins:1", "penguinz:1")])
def test_anothers_model_name_is_like_a_missing_one(adas, there, missing):
    _, _, his, _ = adas
    assert shape(his.get(f"/v1/models/{there}"), there) == shape(his.get(f"/v1/models/{missing}"), missing)


def test_anothers_id_in_a_body_is_like_a_missing_one(adas):
    _, _, his, things = adas
    dataset = his.post("/v1/datasets", content=CSV, headers={"Content-Type": "text/csv"}).json()["id"]
    validation = {"validation": {"kind": "dataset", "dataset_id": "ID"}}
    bodies = [
        ("ds", "dataset_id", {"dataset_id": "ID", "target": "y"}),
        ("net", "network_id", {"dataset_id": dataset, "target": "y", "network_id": "ID"}),
        ("ds", "dataset_id", {"dataset_id": dataset, "target": "y", "training": validation}),
        ("mdl", "ref", {"dataset_id": dataset, "target": "y", "start_from": "ID"}),
    ]
    for prefix, name, body in bodies:
        answers = []
        for thing in (things[name], new_id(prefix)):
            sent = json.loads(json.dumps(body).replace("ID", thing))
            answer = his.post("/v1/jobs", json=sent)
            assert answer.status_code == 422, answer.text
            answers.append(shape(answer, thing))
        assert answers[0] == answers[1]
    answers = []
    for thing in (things["dataset_id"], new_id("ds")):
        answer = his.get(f"/v1/datasets/{dataset}/drift", params={"reference": thing})
        assert answer.status_code == 422, answer.text
        answers.append(shape(answer, thing))
    assert answers[0] == answers[1]


@pytest.mark.parametrize(
    ("action", "question"),
    [("evaluate", {}), ("explain", {"method": "partial_dependence", "feature": "bill"})],
)
def test_a_model_is_not_held_against_anothers_rows(adas, action, question):
    keyed, _, his, things = adas
    model = keep(keyed.service.context, make(), "mine", owner="bob").id
    answers = []
    for thing in (things["dataset_id"], new_id("ds")):
        answer = his.post(f"/v1/models/{model}/{action}", json=question | {"dataset_id": thing})
        assert answer.status_code == 422
        answers.append(shape(answer, thing))
    assert answers[0] == answers[1]
    assert his.post(f"/v1/models/{model}/predict", json={"records": ROWS[:1]}).status_code == 200


def test_lists_hold_ones_own(adas):
    keyed, hers, _, things = adas
    with keyed.client(keyed.key("eve", "admin")) as eves:
        for path in ("/v1/datasets", "/v1/networks", "/v1/jobs", "/v1/models"):
            assert eves.get(path).json() == {"items": [], "next_cursor": None}
            assert eves.get(f"{path}?name=penguins").json()["items"] == []
            ids = [item["id"] for item in hers.get(path).json()["items"]]
            assert set(ids) & set(things.values())


def test_keys_of_one_owner_share_its_things(adas):
    keyed, _, _, things = adas
    another = keyed.key("ada", "read")
    assert keyed.get(another, f"/v1/jobs/{things['job_id']}").status_code == 200


def test_what_was_made_without_keys_is_nobodys(service):
    keyed = Keyed(service)
    network = keyed.request("POST", "/v1/networks", json=NETWORK).json()["id"]
    assert keyed.get(keyed.key(), f"/v1/networks/{network}").status_code == 404


def test_equal_requests_of_two_owners_are_two(service):
    keyed = Keyed(service)
    ids = set()
    for owner in ("ada", "bob", "ada"):
        headers = {"Idempotency-Key": "one"}
        answer = keyed.request("POST", "/v1/networks", keyed.key(owner), headers=headers, json=NETWORK)
        assert answer.status_code == 201
        ids.add(answer.json()["id"])
    assert len(ids) == 2
    with keyed.database.read() as session:
        assert {row.owner for row in session.scalars(select(StoredAnswer))} == {"ada", "bob"}


def test_model_names_are_unique_per_owner(service):
    for owner in ("ada", "bob"):
        versions = [keep(service.context, make(), "m", owner=owner).version for _ in range(2)]
        assert versions == [1, 2]


def test_a_jobs_model_belongs_to_the_jobs_owner(service, monkeypatch):
    """Also where the job changed hands while it ran."""
    database = service.context.database
    queued(database, owner="ada")
    queued(database, owner="")
    jobs = [claim(database, worker) for worker in ("wrk_a", "wrk_b")]
    with database.write() as session:
        auth.adopt(session, "bob")
    monkeypatch.setattr(success.checkpoints, "keep", lambda *_: None)
    for job in jobs:
        kept = {"bytes": 1, "sha256": "", "features": [], "target": {}, "evaluation": None, "task": "binary"}
        done = kept | {"id": new_id("mdl"), "environment": {"engine": ""}, "result": {}}
        job.request["training"]["seed"] = 0
        with database.write() as session:
            success.succeed(
                session, service.context.storage, job, done | {"weights_sha256": "", "checkpoint": None}
            )
    with database.read() as session:
        owners = {row.job_id: row.owner for row in session.scalars(select(ModelRow))}
        assert owners == {row.id: row.owner for row in session.scalars(select(JobRow))}
        assert set(owners.values()) == {"ada", "bob"}
        assert session.scalars(select(DatasetRow)).all() == []
