"""Every task beyond one class or one number, over HTTP: planned as a job, answered and evaluated by its model."""

import json
from typing import Any

import httpx
import numpy as np
import polars as pl
import pytest
from hand_made import keep

from app.predictions.schemas import Evaluated, Predictions
from engine.encoding.columns import infer
from engine.evaluation import AnyEvaluation
from engine.fitting import Fitting, Table
from engine.goal import GoalSpec
from engine.templates import MlpSpec
from engine.training import TrainingSpec

SIZES = ["small", "medium", "large"]
ROWS = 60
RNG = np.random.default_rng(0)
X = RNG.uniform(-1, 1, ROWS)
FRAME = pl.DataFrame(
    {
        "x": X,
        "z": RNG.normal(size=ROWS),
        "size": [SIZES[i] for i in np.digitize(X, [-0.4, 0.4])],
        "count": RNG.poisson(np.exp(X)),
        "wet": (X > 0).astype(int),
        "cold": (X < 0.2).astype(int),
        "width": 2 * X + 1,
    }
)
RECORD = {"x": 0.9, "z": 0.0}
GOALS: dict[str, dict[str, Any]] = {
    "ordinal": {"target": "size", "target_order": SIZES},
    "count": {"target": "count", "task": "count"},
    "multilabel": {"target": ["wet", "cold"], "task": "multilabel"},
    "regression": {"target": ["width", "count"], "task": "regression"},
    "autoencoding": {"target": None, "anomaly_quantile": 0.9},
}
FIGURES = {
    "ordinal": ("quadratic_kappa", "mean_absolute_rank_error", "accuracy"),
    "count": ("mean_poisson_deviance", "rmse"),
    "multilabel": ("hamming_loss", "accuracy"),
    "regression": ("rmse", "r2"),
    "autoencoding": ("reconstruction_error",),
}
KEYS = {
    "ordinal": {"label", "probabilities"},
    "count": {"value"},
    "multilabel": {"labels", "probabilities"},
    "regression": {"values"},
    "autoencoding": {"reconstruction_error", "anomaly_score", "anomaly", "contributions"},
}


@pytest.fixture(scope="module")
def service(start_service, tmp_path_factory):
    with start_service(tmp_path_factory.mktemp("tasks")) as running:
        yield running


@pytest.fixture(scope="module")
def dataset(service) -> str:
    return service.upload(FRAME.write_csv().encode(), name="tasks")["id"]


def plan(service, dataset: str, **goal: Any) -> httpx.Response:
    return service.client.post(
        "/v1/jobs?validate_only=true", json={"dataset_id": dataset, "features": ["x", "z"], **goal}
    )


@pytest.mark.parametrize("task", GOALS)
def test_a_job_is_planned(service, dataset, task: str) -> None:
    response = plan(service, dataset, **GOALS[task])
    assert response.status_code == 200, response.text
    planned = response.json()
    assert planned["task"] == task
    if task == "ordinal":
        assert planned["classes"] == SIZES
        assert planned["class_counts"].keys() == set(SIZES)
    elif task != "multilabel":
        assert planned["class_counts"] is None


@pytest.mark.parametrize(
    ("goal", "pointer"),
    [
        ({"target": "size", "task": "ordinal"}, "/target_order"),
        ({"target": "size", "target_order": ["small", "large"]}, "/target_order"),
        ({"target": "size", "target_order": ["small"]}, "/target_order"),
        ({"target": "width", "task": "count"}, "/target"),
        ({"target": None, "anomaly_quantile": 1}, "/anomaly_quantile"),
    ],
)
def test_what_makes_no_sense_is_refused_where_it_stands(service, dataset, goal, pointer: str) -> None:
    response = plan(service, dataset, **goal)
    assert response.status_code == 422, response.text
    assert response.json()["errors"][0]["pointer"] == pointer


@pytest.mark.parametrize("task", GOALS)
def test_a_model_answers_and_is_evaluated(service, dataset, task: str) -> None:
    frame, types, _ = infer(FRAME)
    goal = GoalSpec.model_validate_json(json.dumps({"features": ["x", "z"], **GOALS[task]}))
    fitting = Fitting(
        Table(frame, types), goal, MlpSpec(hidden=(8,)).build(), TrainingSpec(epochs=3, batch_size=16)
    )
    for _ in fitting.run():
        pass
    model = fitting.settled(fitting.model)
    report: AnyEvaluation = fitting.evaluate(model)
    kept = keep(service.context, model, f"of-{task}", evaluation=report.model_dump(mode="json"))

    shown = service.client.get(f"/v1/models/{kept.id}").json()
    assert (shown["task"], shown["evaluation"]["kind"]) == (task, task)

    answer = service.client.post(f"/v1/models/of-{task}/predict", json={"records": [RECORD, {"x": 99}]})
    assert answer.status_code == 200, answer.text
    Predictions.model_validate(answer.json())
    first, far = answer.json()["predictions"]
    assert first.keys() == KEYS[task] | {"warnings"}
    if task == "autoencoding":
        assert (far["anomaly"], far["anomaly_score"]) == (True, 1.0)
        assert set(far["contributions"]) == {"x", "z"}

    evaluated = service.client.post(f"/v1/models/of-{task}/evaluate", json={"dataset_id": dataset})
    assert evaluated.status_code == 200, evaluated.text
    figures = Evaluated.model_validate(evaluated.json()).evaluation.model_dump()
    assert figures["rows"] == ROWS
    for figure in FIGURES[task]:
        assert figures[figure] is not None
