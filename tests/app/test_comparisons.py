"""Models and jobs side by side."""

from typing import get_args

import numpy as np
import pytest
from hand_made import keep, make
from hand_made_jobs import point

from app.jobs import store
from app.registry import comparing
from engine.directions import HIGHER_IS_BETTER, better_by
from engine.evaluation import evaluate
from engine.reports import AnyEvaluation

NETWORK = {"layers": [{"kind": "dense", "units": 4}, {"kind": "relu"}, {"kind": "dense"}]}
TRUTH = np.array([[0.0], [1.0], [1.0], [0.0]])
ANSWERS = {"good": [0.1, 0.8, 0.9, 0.2], "fair": [0.4, 0.6, 0.4, 0.4]}


def report(answers):
    return evaluate(make("binary").target, np.array(answers)[:, None], TRUTH)


def one_slice(value, **scores):
    found = {"feature": "island", "value": value, "low": None, "high": None, "rows": 2, "excess": None}
    return found | {"scores": scores}


def test_every_figure_of_every_report_has_a_direction():
    """Whatever is a number of its own in a report and not a count."""
    figures = {
        name
        for kind in get_args(get_args(AnyEvaluation)[0])
        for name, field in kind.model_fields.items()
        if field.annotation in (float, float | None)
    }
    assert figures == HIGHER_IS_BETTER.keys()
    assert better_by("log_loss", 0.2, 0.5) == pytest.approx(0.3)
    assert better_by("accuracy", 0.2, 0.5) == pytest.approx(-0.3)


def test_models_side_by_side(service):
    lineages = [
        {"training": {"epochs": epochs, "optimizer": {"learning_rate": rate}}}
        for epochs, rate in [(5, 0.1), (5, 0.2)]
    ]
    slices = [
        [one_slice("Dream", log_loss=0.5), one_slice("Biscoe", log_loss=1.0)],
        [one_slice("Dream", log_loss=0.25)],
    ]
    model = make("binary")
    for lineage, parts, answers in zip(lineages, slices, ANSWERS.values(), strict=True):
        evaluation = report(answers).model_dump(mode="json") | {"slices": {"slices": parts, "worst": []}}
        whole = {
            "dataset": {"id": None, "name": "d", "sha256": "0" * 64},
            "network": model.network.model_dump(mode="json"),
            "seed": 1,
            "engine_version": "1",
            "environment": {},
        }
        keep(service.context, model, evaluation=evaluation, lineage=whole | lineage)
    service.client.put("/v1/models/penguins/aliases/champion", json={"version": 2})
    answer = service.client.get("/v1/models/compare", params={"a": "penguins:1", "b": "penguins@champion"})
    assert answer.status_code == 200, answer.text
    told = answer.json()
    assert [(item["ref"], item["version"]) for item in told["items"]] == [
        ("penguins:1", 1),
        ("penguins@champion", 2),
    ]
    assert told["parameters"] == [{"pointer": "/training/optimizer/learning_rate", "values": [0.1, 0.2]}]
    reports = [report(answers) for answers in ANSWERS.values()]
    metrics = {metric["name"]: metric for metric in told["metrics"]}
    assert metrics["log_loss"]["values"] == [each.log_loss for each in reports]
    assert metrics["log_loss"]["differences"] == [0, reports[1].log_loss - reports[0].log_loss]
    assert {name: metric["best"] for name, metric in metrics.items() if name in ("log_loss", "roc_auc")} == {
        "log_loss": 0,
        "roc_auc": 0,
    }
    assert [(part["value"], part["differences"][1]) for part in told["slices"]] == [
        ("Dream", {"log_loss": -0.25})
    ]
    assert told["warnings"] == []
    assert [curve["points"] for curve in told["curves"]] == [[], []]  # the jobs are gone


def test_jobs_side_by_side_with_their_histories(service):
    dataset = service.upload_penguins()["id"]
    ids = []
    for seed, epochs in ((0, 30), (0, 40), (1, 30)):
        body = {
            "dataset_id": dataset,
            "target": "species",
            "network": NETWORK,
            "training": {"epochs": epochs, "seed": seed},
        }
        ids.append(service.client.post("/v1/jobs", json=body).json()["id"])
    with service.context.database.write() as session:
        for job_id, epochs in zip(ids, (3, 30, 1), strict=True):
            store.add_points(
                session,
                [
                    point(i) | {"job_id": job_id, "fold": None, "fold_epoch": None}
                    for i in range(1, epochs + 1)
                ],
            )
    told = service.client.get(
        "/v1/jobs/compare", params={"a": ids[0], "b": ids[1], "c": ids[2], "max_points": 10}
    ).json()
    assert {each["pointer"]: each["values"] for each in told["parameters"]} == {
        "/training/epochs": [30, 40, 30],
        "/training/seed": [0, 0, 1],
    }
    assert [len(curve["points"]) for curve in told["curves"]] == [3, 10, 1]
    assert told["curves"][1]["points"][-1]["epoch"] == 30
    assert told["metrics"] == []
    assert told["warnings"] == ["the reports are of different rows: evaluate the models on one data set"]


@pytest.mark.parametrize("kind", ["models", "jobs"])
def test_what_is_not_there_is_pointed_at(service, kind):
    there = keep(service.context, make()).id
    answer = service.client.get(f"/v1/{kind}/compare", params={"a": there, "b": "nobody"})
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"] == ("/query/b" if kind == "models" else "/query/a")
    assert service.client.get(f"/v1/{kind}/compare", params={"a": there}).status_code == 422


def test_parameters_are_compared_by_their_pointers(monkeypatch):
    before = {"layers": [{"units": 4}, {"units": 2}], "a/b": {}, "same": [1, {"x": None}]}
    after = {"layers": [{"units": 4}, {"units": 3}, {"kind": "relu"}], "a/b": 1, "same": [1, {"x": None}]}
    found = comparing.different_parameters([before, after])
    assert {each.pointer: each.values for each in found} == {
        "/layers/1/units": [2, 3],
        "/a~1b": [{}, 1],
        "/layers/2/kind": [None, "relu"],
    }
    monkeypatch.setattr(comparing, "MOST_PARAMETERS", 2)
    assert comparing.different_parameters([before, after]) == found[:2]
