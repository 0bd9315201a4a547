"""Model cards: what they say, and that nothing in them is taken for markup."""

import json
import re
import shlex

import numpy as np
import polars as pl
import pytest
from hand_made import ROWS, keep, make

from engine.evaluation import evaluate

NASTY = "a|b*c<script>`x`\\[y](http://z)'\"_&amp;"
MARKDOWN = {"Accept": "text/markdown;q=0.9, */*;q=0.1"}


def shown(service, ref="penguins"):
    answer = service.client.get(f"/v1/models/{ref}/card", headers=MARKDOWN)
    assert answer.headers["content-type"] == "text/markdown; charset=utf-8"
    return answer.text


@pytest.fixture
def trained(service):
    """A model of an uploaded table, as a job would have made it."""
    table = pl.DataFrame(ROWS * 10).write_csv().encode()
    dataset = service.upload(table, name="penguins")["id"]
    body = {"dataset_id": dataset, "target": "species", "features": ["island", "bill", "sex"]}
    job = service.client.post("/v1/jobs", json=body).json()["id"]
    model = make()
    answers = np.eye(3)[[0, 1, 2, 0]] * 0.8 + 0.1
    report = evaluate(model.target, answers, np.eye(3)[[0, 1, 2, 1]]).model_dump(mode="json")
    slices = [
        {
            "feature": "bill",
            "value": None,
            "low": 40.0,
            "high": None,
            "rows": 12,
            "scores": {"log_loss": 2.0},
            "excess": 3.0,
        }
    ]
    report |= {"slices": {"slices": slices, "worst": slices}}
    keep(service.context, model, job_id=job, dataset_id=dataset, evaluation=report, tags=["demo"])
    return service


def test_a_card_tells_what_a_user_needs(trained):
    card = trained.client.get("/v1/models/penguins/card").json()
    assert card["predicts"] == "one of 3 classes of species, from 3 columns"
    assert card["data"]["rows"] == {
        "total": 50,
        "dropped": 0,
        "training": 40,
        "validation": 10,
        "calibration": 0,
        "test": 0,
    }
    assert card["evaluation"]["figures"]["accuracy"] == 0.75
    assert card["worst_slices"][0]["feature"] == "bill"
    assert "Only 4 rows stand behind the figures, which may well be off." in card["limits"]
    assert any("Chinstrap had" in sentence for sentence in card["limits"])  # ten rows in all
    text = shown(trained)
    for line in (
        "# penguins, version 1",
        "Predicts one of 3 classes of species, from 3 columns.",
        "| accuracy | 0.75 |",
        "| bill ≥ 40 | 12 | 2 |",
        "| island | categorical | Biscoe, Dream |",
        "- Rows: 50, of which 40 training, 10 validation",
        f"- SHA-256 of its bytes: `{card['data']['sha256']}`",
    ):
        assert line in text.splitlines(), line


@pytest.mark.parametrize(
    ("best", "told"),
    [
        (None, "- Epochs: 50, stopped early"),
        (7, "- Epochs: 50, of which 7 was the best, stopped early"),
        ([47, None, 3], "- Epochs: 50, the best of each of the 3 networks: 47, the last, 3, stopped early"),
    ],
)
def test_several_networks_have_a_best_epoch_each(service, best, told):
    training = {"epochs": 50, "best_epoch": best, "stopped_early": True, "seed": 1}
    lineage = {
        "dataset": None,
        "network": make().network.model_dump(mode="json"),
        "training": training,
        "seed": 1,
        "engine_version": "0",
        "environment": {},
    }
    keep(service.context, make(), lineage=lineage)
    assert service.client.get("/v1/models/penguins/card").json()["training"]["best_epoch"] == best
    assert told in shown(service)


def test_the_example_of_a_card_runs(trained):
    card = trained.client.get("/v1/models/penguins/card").json()
    [command] = re.findall(r"```sh\n(.*?)```", shown(trained), re.DOTALL)
    words = shlex.split(command)
    body = json.loads(words[words.index("-d") + 1])
    assert body == card["use"]["body"]
    address = next(word for word in words if "predict" in word).removeprefix("$URL")
    answer = trained.client.post(address, json=body)
    assert answer.json()["predictions"][0]["warnings"] == [], body


def test_the_format_is_asked_for_or_negotiated(trained):
    def kind(query="", accept="*/*"):
        answer = trained.client.get(f"/v1/models/penguins/card{query}", headers={"Accept": accept})
        return answer.status_code, answer.headers["content-type"].partition(";")[0]

    assert kind() == (200, "application/json")
    assert kind(accept="text/markdown") == (200, "text/markdown")
    assert kind("?format=markdown") == (200, "text/markdown")
    assert kind("?format=json", "text/markdown") == (200, "application/json")
    assert kind("?format=html")[0] == 422
    assert trained.client.get("/v1/models/nobody/card").status_code == 404


def test_what_was_deleted_or_never_known_is_said(trained):
    dataset = trained.client.get("/v1/models/penguins").json()["dataset_id"]
    job = trained.client.get("/v1/models/penguins").json()["job_id"]
    trained.client.post(f"/v1/jobs/{job}/cancel")
    assert trained.client.delete(f"/v1/jobs/{job}").status_code == 204
    assert trained.client.delete(f"/v1/datasets/{dataset}").status_code == 204
    card = trained.client.get("/v1/models/penguins/card").json()
    assert card["data"]["rows"] is None
    assert "Its data set was deleted: it cannot be trained again here." in card["limits"]
    assert "which was deleted" in shown(trained)
    file = trained.client.get("/v1/models/penguins/export?format=safetensors").content
    headers = {"Content-Type": "application/octet-stream"}
    assert (
        trained.client.post("/v1/models/import?name=mine", content=file, headers=headers).status_code == 201
    )
    imported = trained.client.get("/v1/models/mine/card").json()
    assert (imported["data"], imported["training"], imported["evaluation"]) == (None, None, None)
    assert "imported" in shown(trained, "mine")


@pytest.mark.parametrize("task", ["binary", "multilabel", "regression", "several", "autoencoding"])
def test_every_task_has_a_card(service, task):
    keep(service.context, make(task))
    assert shown(service).startswith("# penguins, version 1\n\nPredicts ")


def test_names_are_text_and_notes_have_no_html(service):
    rows = [{NASTY: row["island"], "species": row["species"]} for row in ROWS]
    keep(service.context, make("multiclass", rows, [NASTY]), tags=[NASTY])
    service.client.patch("/v1/models/penguins", json={"notes": "**read** <img src=x onerror=alert(1)>"})
    text = shown(service)
    prose = re.sub(r"```sh\n.*?```", "", text, flags=re.DOTALL)
    assert not re.findall(r"(?<!\\)[<\[]", prose)
    assert "**read** &lt;img" in prose
    [row] = [line for line in prose.splitlines() if "categorical" in line]
    assert len(re.findall(r"(?<!\\)\|", row)) == 4  # three cells
    words = shlex.split(re.findall(r"```sh\n(.*?)```", text, re.DOTALL)[0])
    assert list(json.loads(words[words.index("-d") + 1])["records"][0]) == [NASTY]
