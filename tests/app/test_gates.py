"""Aliases that move only if a model is better than another one, on rows that are named."""

import json

import polars as pl
import pytest
from hand_made import ROWS, keep, make

from app.registry import gates

GATE = {"metric": "log_loss", "than": "@champion"}


@pytest.fixture
def champions(service):
    """Two versions, the second one better on the data set; the first is champion."""
    dataset = service.upload(pl.DataFrame(ROWS * 4).write_csv().encode())["id"]
    models = [make("multiclass"), make("multiclass")]
    models[0].theta[:] = 0
    models[0].theta[-3:] = [5, 0, 0]  # sure of one class
    models[1].theta[:] = 0  # of none
    for model in models:
        keep(service.context, model)
    assert service.client.put("/v1/models/penguins/aliases/champion", json={"version": 1}).status_code == 200
    return service, dataset


def put(service, version, **gate):
    body = {"version": version, "only_if": GATE | gate}
    return service.client.put("/v1/models/penguins/aliases/champion", json=body)


def figure(service, version, dataset, metric="log_loss"):
    answer = service.client.post(f"/v1/models/penguins:{version}/evaluate", json={"dataset_id": dataset})
    return answer.json()["evaluation"][metric]


def champion(service):
    return service.client.get("/v1/models/penguins@champion").json()["version"]


def history(service):
    return service.client.get("/v1/models/penguins/aliases/champion/history").json()["items"]


def test_the_better_one_passes_and_the_other_does_not(champions):
    service, dataset = champions
    first, second = (figure(service, version, dataset) for version in (1, 2))
    gain = first - second
    assert gain > 0.5
    refused = put(service, 2, better_by=gain * 1.01, dataset_id=dataset)
    assert (refused.status_code, refused.json()["type"]) == (409, "urn:backpropd:gate_refused")
    assert all(f"{value:.6g}" in refused.json()["detail"] for value in (first, second))
    assert champion(service) == 1
    passed = put(service, 2, better_by=gain * 0.99, dataset_id=dataset)
    assert (passed.status_code, passed.json()["version"]) == (200, 2)
    assert champion(service) == 2
    assert put(service, 1, dataset_id=dataset).status_code == 409
    assert put(service, 2, dataset_id=dataset).status_code == 200  # it is as good as itself
    told = history(service)
    assert [(each["action"], each["version"]) for each in told] == [
        ("moved", 2),
        ("refused", 1),
        ("moved", 2),
        ("refused", 2),
        ("moved", 1),
    ]
    outcome = told[2]["gate"]
    assert (outcome["value"], outcome["than_value"], outcome["rows"]) == (second, first, 20)
    assert outcome["difference"] == pytest.approx(gain)
    assert outcome["passed"]
    log = service.client.get("/v1/audit").json()["items"]
    statuses = {move["id"]: line["status"] for move in told for line in log if move["id"] in line["ids"]}
    assert [statuses[move["id"]] for move in told] == [200, 409, 200, 409, 200]


def test_of_some_figures_more_is_better(champions):
    service, dataset = champions
    first, second = (figure(service, version, dataset, "accuracy") for version in (1, 2))
    better, worse = (1, 2) if first > second else (2, 1)
    body = {
        "version": better,
        "only_if": {"metric": "balanced_accuracy", "than": f"penguins:{worse}", "dataset_id": dataset},
    }
    assert service.client.put("/v1/models/penguins/aliases/a", json=body).status_code == 200
    assert history(service)[0]["action"] == "moved"
    told = service.client.get("/v1/models/penguins/aliases/a/history").json()["items"][0]["gate"]
    assert told["higher_is_better"]
    assert told["difference"] == told["value"] - told["than_value"] >= 0


@pytest.mark.parametrize(
    ("change", "pointer", "says"),
    [
        ({"metric": "speed"}, "/only_if/metric", "must be one of accuracy"),
        ({"metric": "rmse"}, "/only_if/metric", "has no rmse, but accuracy"),
        ({"than": "@nobody"}, "/only_if/than", "no model penguins@nobody"),
        ({"than": "other:3"}, "/only_if/than", "no model other:3"),
        ({"dataset_id": "ds_0"}, "/only_if/dataset_id", "no data set ds_0"),
        ({"dataset_id": "WITHOUT"}, "/only_if/dataset_id", "has no column"),
        ({"better_by": -1}, "/only_if/better_by", "greater than or equal to 0"),
        ({"more": 1}, "/only_if/more", "unknown field"),
    ],
)
def test_a_gate_that_cannot_be_tried(champions, change, pointer, says):
    service, dataset = champions
    without = service.upload(b"x,y\n1,2\n3,4\n")["id"]
    change = json.loads(json.dumps(change).replace("WITHOUT", without))
    answer = put(service, 2, **{"dataset_id": dataset} | change)
    assert answer.status_code == 422, answer.text
    [error] = answer.json()["errors"]
    assert error["pointer"] == pointer
    assert says in error["detail"]
    assert [champion(service), len(history(service))] == [1, 1]


def test_a_champion_that_moves_meanwhile_is_noticed(champions, monkeypatch):
    service, dataset = champions
    keep(service.context, make())
    tried = gates.tried

    def slow(*args):
        outcome = tried(*args)
        service.client.put("/v1/models/penguins/aliases/champion", json={"version": 3})
        return outcome

    monkeypatch.setattr(gates, "tried", slow)
    answer = put(service, 2, dataset_id=dataset)
    assert answer.status_code == 409
    assert "try again" in answer.json()["detail"]
    assert champion(service) == 3
