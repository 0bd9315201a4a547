"""Explanations over HTTP, of models that were put together by hand over a table that is there."""

import base64
from io import BytesIO
from typing import Any

import numpy as np
import polars as pl
import pytest
from hand_made import FEATURES, ROWS, keep, make
from PIL import Image
from pydantic import TypeAdapter

from app.explanations.answers import AnyAnswer
from app.explanations.requests import REQUESTS
from engine.encoding.columns import infer
from engine.ensemble import Ensemble
from engine.explaining import EXPLANATION_SPECS
from engine.model import Model
from engine.network import Network, NetworkSpec

RECORD = {"island": "Dream", "bill": 40.0, "sex": "male"}
MANY = [row | {"bill": (row["bill"] or 42.0) + i} for i in range(6) for row in ROWS]


def stirred(model: Model) -> Model:
    """The model with other weights: a hand-made one ends with zeros and answers all rows alike."""
    theta = np.random.default_rng(2).standard_normal(model.theta.shape).astype(np.float32)
    return Model(
        encoder=model.encoder,
        network=model.network,
        link=model.link,
        target=model.target,
        theta=theta,
        state=model.state,
    )


@pytest.fixture(scope="module")
def service(start_service, tmp_path_factory):
    with start_service(tmp_path_factory.mktemp("data")) as running:
        yield running


@pytest.fixture(scope="module")
def dataset_id(service) -> str:
    table = pl.DataFrame(MANY)
    return service.upload(table.write_csv().encode(), name="penguins")["id"]


@pytest.fixture(scope="module")
def models(service, dataset_id) -> dict[str, Any]:
    """One of each task, over the same table."""
    made = {}
    for task in ("multiclass", "binary", "regression", "multilabel", "autoencoding"):
        made[task] = stirred(make(task, MANY))
        keep(service.context, made[task], name=task, dataset_id=dataset_id)
    return made


def explain(service, ref: str, **question: Any) -> dict[str, Any]:
    response = service.client.post(f"/v1/models/{ref}/explain", json=question)
    assert response.status_code == 200, response.text
    answer = response.json()
    assert answer["method"] == question["method"]
    TypeAdapter(AnyAnswer).validate_python(answer)
    return answer


def get(service, path: str, **query: Any) -> dict[str, Any]:
    response = service.client.get(f"/v1/models/{path}", params=query)
    assert response.status_code == 200, response.text
    return response.json()


def refused(service, ref: str, status: int = 422, **question: Any) -> dict[str, Any]:
    response = service.client.post(f"/v1/models/{ref}/explain", json=question)
    assert response.status_code == status, response.text
    return response.json()


def scores(model, record: dict[str, Any]) -> np.ndarray:
    frame, *_ = infer(pl.DataFrame([record]))
    return model.answers(frame)[0]


@pytest.mark.parametrize("method", ["integrated_gradients", "expected_gradients", "shapley"])
@pytest.mark.parametrize("task", ["multiclass", "binary", "regression"])
def test_attributions_add_up(service, models, method: str, task: str) -> None:
    answer = explain(service, task, method=method, records=[RECORD, {}])
    first, second = answer["explanations"]
    assert {one["feature"] for one in first["attributions"]} == set(FEATURES)
    for found in (first, second):
        total = sum(one["attribution"] for one in found["attributions"])
        within = 1e-3 * (models[task].target.stds[0] if task == "regression" else 1)
        assert total == pytest.approx(found["score"] - found["reference_score"], abs=within)
        assert abs(found["error"]) <= (1e-9 if method == "shapley" else within)
    answers = scores(models[task], RECORD)
    if task == "multiclass":
        assert first["score"] == pytest.approx(answers.max(), abs=1e-5)
    elif task == "regression":
        assert first["score"] == pytest.approx(answers[0], rel=1e-5)
    assert next(one for one in first["attributions"] if one["feature"] == "bill")["value"] == 40.0
    assert "bill is missing" in second["warnings"]
    assert answer["references"] == (1 if method == "integrated_gradients" else 30)


def test_the_class_that_is_asked_for_is_explained(service, models) -> None:
    found = explain(service, "binary", method="shapley", records=[RECORD], output=1)["explanations"][0]
    other = explain(service, "binary", method="shapley", records=[RECORD], output=0)["explanations"][0]
    assert found["score"] == pytest.approx(1 - other["score"])
    assert found["exact"]
    assert found["coalitions"] == 8
    parts = [{one["feature"]: one["attribution"] for one in part["attributions"]} for part in (found, other)]
    for name in FEATURES:
        assert parts[0][name] == pytest.approx(-parts[1][name])
    problem = refused(service, "binary", method="shapley", records=[RECORD], output="Mars")
    assert problem["errors"][0]["pointer"] == "/output"
    assert "0, 1" in problem["detail"]


@pytest.mark.parametrize("reference", ["median", "zeros", "data", [RECORD, ROWS[0]]])
def test_references(service, models, reference) -> None:
    answer = explain(
        service, "regression", method="integrated_gradients", records=[ROWS[1]], reference=reference
    )
    assert answer["references"] == {"median": 1, "zeros": 1, "data": 30}.get(str(reference), 2)


def test_importance_by_loss_and_by_weights(service, models) -> None:
    answer = get(service, "multiclass/importance", repeats=3)
    assert answer["measure"] == "log_loss"
    assert answer["rows"] == 30
    assert "not known" in answer["rows_from"]
    found = [one["importance"] for one in answer["importances"]]
    assert found == sorted(found, reverse=True)
    assert all(len(one["repeats"]) == 3 for one in answer["importances"])
    weights = get(service, "multiclass/importance", method="gedeon")
    assert max(one["importance"] for one in weights["inputs"]) == 1
    of_inputs = {one["feature"]: one["importance"] for one in weights["inputs"]}
    summed = [
        sum(value for name, value in of_inputs.items() if name.startswith(one["feature"]))
        for one in weights["importances"]
    ]
    assert [one["importance"] for one in weights["importances"]] == pytest.approx(
        np.divide(summed, max(summed))
    )


def test_the_rows_of_the_models_job_are_told_apart(service, dataset_id) -> None:
    """The job's row says how the rows were parted; the model is one that this job would have made."""
    request = {
        "dataset_id": dataset_id,
        "target": "species",
        "features": FEATURES,
        "network": {"layers": [{"kind": "dense"}]},
        "training": {"validation": {"kind": "fraction", "fraction": 0.3}},
    }
    job = service.client.post("/v1/jobs", json=request).json()
    keep(
        service.context,
        stirred(make("multiclass", MANY)),
        name="made",
        dataset_id=dataset_id,
        job_id=job["id"],
    )
    answer = get(service, "made/importance", repeats=2)
    assert answer["rows_from"] == "rows that the model was not trained on"
    assert answer["rows"] == job["plan"]["rows"]["validation"] == 9
    effects = get(service, "made/effects", feature="bill")
    assert (effects["rows"], effects["rows_from"]) == (21, "rows that the model was trained on")
    items = get(service, "made/suspect-labels", count=30)["items"]
    assert sum(item["out_of_sample"] for item in items) == 9


@pytest.mark.parametrize("task", ["regression", "multilabel", "autoencoding"])
def test_importance_of_every_task(service, models, task: str) -> None:
    assert get(service, f"{task}/importance", repeats=1)["baseline"] > 0


def test_effects_of_a_feature(service, models) -> None:
    dependence = get(service, "multiclass/effects", feature="island")
    assert dependence["values"] == ["Biscoe", "Dream"]
    assert set(dependence["effects"]) == {"Adelie", "Chinstrap", "Gentoo"}
    sums = np.sum(list(dependence["effects"].values()), axis=0)
    np.testing.assert_allclose(sums, 1, atol=1e-9)
    local = get(service, "regression/effects", feature="bill", method="accumulated_local_effects", points=6)
    assert len(local["values"]) == len(local["effects"]["mass"]) == len(local["counts"]) + 1
    assert sum(local["counts"]) == local["rows"] == 30
    assert "not known" in local["rows_from"]
    response = service.client.get("/v1/models/multiclass/effects", params={"feature": "beak"})
    assert response.status_code == 422
    assert "the model reads island, bill, sex" in response.json()["detail"]


def test_the_decision_surface_as_data_and_as_a_picture(service, models) -> None:
    answer = get(service, "multiclass/decision-surface", x="bill", y="island", points=4)
    assert len(answer["x_values"]) == 4
    assert answer["y_values"] == ["Biscoe", "Dream"]
    assert np.shape(answer["scores"]["Adelie"]) == (2, 4) == np.shape(answer["labels"])
    response = service.client.get(
        "/v1/models/multiclass/decision-surface",
        params={"x": "bill", "y": "island", "points": 4},
        headers={"Accept": "image/png"},
    )
    assert response.headers["content-type"] == "image/png"
    assert response.content == base64.b64decode(answer["png"])
    picture = Image.open(BytesIO(response.content))
    assert picture.format == "PNG"
    assert picture.size == (512, 256)


def test_suspect_labels(service, models) -> None:
    answer = get(service, "multiclass/suspect-labels", count=5)
    assert answer["rows"] == 30
    assert len(answer["items"]) == 5
    assert [one["suspect"] for one in answer["items"]] == sorted(
        (one["suspect"] for one in answer["items"]), reverse=True
    )
    first = answer["items"][0]
    assert first["given"] == MANY[first["row"]]["species"]
    assert first["out_of_sample"] is None
    assert get(service, "regression/suspect-labels")["suspects"] is None


def test_nearest_rows(service, models) -> None:
    for space in ("inputs", "hidden"):
        answer = explain(
            service, "multiclass", method="nearest_rows", records=[MANY[7]], count=2, space=space
        )
        first, second = answer["explanations"][0]["rows"]
        assert first["row"] == 7
        assert first["distance"] == pytest.approx(0, abs=1e-5)
        assert first["values"]["species"] == MANY[7]["species"]
        assert second["distance"] > 0


def test_counterfactuals_change_the_prediction(service, models) -> None:
    before = explain(service, "regression", method="shapley", records=[RECORD])["explanations"][0]["score"]
    answer = explain(
        service,
        "regression",
        method="counterfactuals",
        records=[RECORD],
        at_least=before + 10,
        fixed=["island"],
    )
    found = answer["explanations"][0]["counterfactuals"]
    assert found
    for one in found:
        changed = RECORD | {change["feature"]: change["after"] for change in one["changes"]}
        assert "island" not in {change["feature"] for change in one["changes"]}
        assert scores(models["regression"], changed)[0] >= before + 10 - 1e-6
        assert one["prediction"]["mass"] == pytest.approx(scores(models["regression"], changed)[0])
    lengths = [len(one["changes"]) for one in found]
    assert lengths == sorted(lengths)


def test_extreme_records_are_explained(service, models) -> None:
    record = {"island": "Mars", "bill": 1e300, "sex": "?"}
    for method in (
        "integrated_gradients",
        "expected_gradients",
        "shapley",
        "nearest_rows",
        "counterfactuals",
    ):
        for task in ("multiclass", "multilabel"):
            answer = explain(service, task, method=method, records=[record])
            assert len(answer["explanations"]) == 1


def test_rows_that_do_not_fit_are_refused(service, models) -> None:
    wrong = service.upload(b"island,bill,sex\nDream,long,male\nBiscoe,short,male\n", name="wrong")["id"]
    empty = service.upload(b"island,bill,sex,species\n,,,Adelie\n,,,Gentoo\n", name="empty")["id"]
    rows = b"island,bill,sex,species\nDream,1,male,Dodo\nDream,2,male,Dodo\n"
    dodos = service.upload(rows, name="dodos")["id"]
    for dataset_id, method, expected in (
        (wrong, "suspect_labels", "'long' in row 1 is not a number"),
        (empty, "partial_dependence", "bill has no value in any row"),
        (dodos, "permutation_importance", "no class of the model"),
    ):
        question = {"feature": "bill"} if method == "partial_dependence" else {}
        problem = refused(service, "multiclass", method=method, dataset_id=dataset_id, **question)
        assert expected in problem["detail"]


def test_counterfactuals_of_a_class(service, models) -> None:
    answer = explain(service, "binary", method="counterfactuals", records=[RECORD], max_features=3)
    own = answer["explanations"][0]["prediction"]
    for one in answer["explanations"][0]["counterfactuals"]:
        assert (one["prediction"]["1"] > 0.5) != (own["1"] > 0.5)
    problem = refused(service, "binary", method="counterfactuals", records=[RECORD], at_least=1)
    assert problem["errors"][0]["pointer"] == "/at_least"


def test_a_layer_at_work(service, models) -> None:
    answer = explain(service, "multiclass", method="layer_values", records=[RECORD], layer=0)
    found = answer["explanations"][0]
    assert answer["kind"] == "dense"
    assert found["activation"]["shape"] == [6] == found["gradient"]["shape"]
    weights = {one["name"]: one for one in found["weights"]}
    width = models["multiclass"].encoder.width
    assert weights["W"]["values"]["shape"] == [width, 6]
    # dF/dW = x (dF/dz)^T
    frame, *_ = infer(pl.DataFrame([RECORD]))
    x = models["multiclass"].encoder.encode(frame)[0]
    expected = np.outer(x, found["gradient"]["values"])
    np.testing.assert_allclose(
        np.reshape(weights["W"]["gradient"]["values"], (width, 6)), expected, atol=1e-9
    )
    problem = refused(service, "multiclass", method="layer_values", records=[RECORD], layer=9)
    assert problem["errors"][0]["pointer"] == "/layer"


def test_layers_tell_their_weights(service, models) -> None:
    answer = get(service, "multiclass/layers")
    assert [layer["kind"] for layer in answer["layers"]] == ["dense", "relu", "dense"]
    first = answer["layers"][0]["weights"][0]
    np.testing.assert_allclose(
        first["values"]["values"], models["multiclass"].theta[: np.prod(first["values"]["shape"])]
    )


def test_an_ensemble_answers_every_question(service, models, dataset_id) -> None:
    """Each as the mean of its networks; only maps need an image."""
    first = models["multiclass"]
    weights = [(first.theta * scale, first.state) for scale in (1.0, 0.5, -1.0)]
    parts = {"encoder": first.encoder, "network": first.network, "link": first.link, "target": first.target}
    ensemble = Ensemble(weights=weights, **parts)
    keep(service.context, ensemble, name="ensemble", dataset_id=dataset_id)
    asked = {
        "layer_values": {"records": [RECORD], "layer": 0, "member": 2},
        "partial_dependence": {"feature": "bill"},
        "accumulated_local_effects": {"feature": "bill"},
        "decision_surface": {"x": "bill", "y": "island"},
    }
    of_rows = {"permutation_importance", "gedeon", "suspect_labels"}
    for method in REQUESTS.keys() - {"grad_cam", "occlusion"}:
        question = asked.get(method, {} if method in of_rows else {"records": [RECORD]})
        explain(service, "ensemble", method=method, **question)
    [found] = explain(service, "ensemble", method="shapley", records=[RECORD])["explanations"]
    assert found["score"] == pytest.approx(scores(ensemble, RECORD).max(), abs=1e-6)
    layers = [get(service, "ensemble/layers", member=member)["layers"] for member in range(3)]
    values = [layer[0]["weights"][0]["values"]["values"] for layer in layers]
    np.testing.assert_allclose(values, np.outer([1, 0.5, -1], values[0]))
    response = service.client.get("/v1/models/ensemble/layers", params={"member": 3})
    assert response.status_code == 422
    assert response.json()["errors"][0]["pointer"] == "/query/member"


def test_maps_need_an_image(service, models) -> None:
    for method in ("grad_cam", "occlusion"):
        assert "images" in refused(service, "multiclass", method=method, records=[RECORD])["detail"]


@pytest.mark.parametrize("method", ["grad_cam", "occlusion", "integrated_gradients"])
def test_where_in_an_image(service, method: str) -> None:
    pixels = [f"p{i}" for i in range(64)]
    rng = np.random.default_rng(0)
    rows = [
        dict(zip(pixels, rng.random(64).tolist(), strict=True)) | {"species": "abc"[i % 3]} for i in range(6)
    ]
    layers = [
        {"kind": "reshape", "shape": [8, 8, 1]},
        {"kind": "conv2d", "filters": 2, "kernel_size": [3, 3]},
        {"kind": "relu"},
        {"kind": "global_average_pool"},
        {"kind": "dense"},
    ]
    flat = make("multiclass", rows, pixels)
    spec = NetworkSpec.model_validate({"layers": layers}).resolve(3)
    network = Network(spec, (64,), batch=1, rng=rng)
    theta = rng.standard_normal(network.theta.shape).astype(np.float32)
    model = Model(
        encoder=flat.encoder,
        network=spec,
        link="softmax",
        target=flat.target,
        theta=theta,
        state=network.state,
    )
    keep(service.context, model, name="images")
    record = {name: value for name, value in rows[0].items() if name != "species"}
    answer = explain(service, "images", method=method, records=[record], output="b")
    found = answer["explanations"][0]
    assert np.shape(found["values"]) == (8, 8)
    assert found["output"] == "b"
    if method == "integrated_gradients":
        difference = found["score"] - found["reference_score"]
        assert np.sum(found["values"]) == pytest.approx(difference, abs=1e-3)
    else:
        assert found["layer"] == (2 if method == "grad_cam" else None)
    response = service.client.post(
        "/v1/models/images/explain",
        json={"method": method, "records": [record], "output": "b"},
        headers={"Accept": "image/png"},
    )
    assert response.headers["content-type"] == "image/png"
    assert response.content == base64.b64decode(found["png"])
    assert Image.open(BytesIO(response.content)).size == (256, 256)


def test_names_that_look_like_patterns_and_dates(service) -> None:
    names = ["*", "a.*$", "when", "yes"]
    rows = [
        {
            "*": i * 0.5,
            "a.*$": "xyz"[i % 3] if i else None,
            "when": f"2024-0{1 + i % 9}-1{i % 7}T0{i % 5}:00:00",
            "yes": i % 2 == 0,
            "species": "abc"[i % 3],
        }
        for i in range(20)
    ]
    dataset = service.upload(pl.DataFrame(rows).write_csv().encode(), name="odd")["id"]
    keep(service.context, stirred(make("multiclass", rows, names)), name="odd", dataset_id=dataset)
    for name in names:
        assert get(service, "odd/effects", feature=name)["feature"] == name
    for name in ("*", "when"):
        local = get(service, "odd/effects", feature=name, method="accumulated_local_effects", points=4)
        assert sum(local["counts"]) == 20
    assert get(service, "odd/effects", feature="when")["values"][0].startswith("2024-01-1")
    surface = get(service, "odd/decision-surface", x="*", y="when", points=3)
    assert np.shape(surface["labels"]) == (3, 3)
    record = {name: rows[3][name] for name in names}
    for method in ("shapley", "integrated_gradients", "counterfactuals", "nearest_rows"):
        assert explain(service, "odd", method=method, records=[record, {}])["explanations"]
    assert get(service, "odd/importance")["importances"]
    assert get(service, "odd/suspect-labels")["items"]


def test_without_its_data_set_a_model_is_explained_by_what_it_knows(service, models) -> None:
    keep(service.context, stirred(make("multiclass")), name="orphan")
    answer = explain(service, "orphan", method="shapley", records=[RECORD])
    assert answer["references"] == 1
    assert "is not here" in answer["warnings"][0]
    problem = refused(service, "orphan", 409, method="partial_dependence", feature="bill")
    assert "dataset_id" in problem["detail"]


def test_another_data_set_may_be_named(service, dataset_id) -> None:
    keep(service.context, stirred(make("multiclass")), name="orphan")
    answer = get(service, "orphan/importance", dataset_id=dataset_id)
    assert answer["rows"] == 30
    problem = refused(
        service, "orphan", method="suspect_labels", dataset_id="ds_0190a0b1c2d37e4f8a9b0c1d2e3f4a5b"
    )
    assert problem["errors"][0]["pointer"] == "/dataset_id"


@pytest.mark.parametrize(
    ("question", "pointer"),
    [
        ({"method": "tea_leaves"}, "/method"),
        ({"records": [RECORD]}, "/method"),
        ({"method": "shapley"}, "/records"),
        ({"method": "shapley", "records": []}, "/records"),
        ({"method": "shapley", "records": [{"bill": "long"}]}, "/records/0/bill"),
        ({"method": "shapley", "records": [RECORD], "reference": [{"bill": "x"}]}, "/reference/0/bill"),
        ({"method": "shapley", "records": [RECORD], "reference": []}, "/reference"),
        ({"method": "gedeon", "records": [RECORD]}, "/records"),
        ({"method": "counterfactuals", "records": [RECORD], "fixed": FEATURES}, "/fixed"),
        ({"method": "decision_surface", "x": "bill", "y": "beak"}, "/y"),
        ({"method": "decision_surface", "x": "bill", "y": "bill"}, "/y"),
        ({"method": "accumulated_local_effects", "feature": "sex"}, "/feature"),
    ],
)
def test_what_is_wrong_is_pointed_at(service, models, question, pointer: str) -> None:
    problem = refused(service, "multiclass", **question)
    assert problem["errors"][0]["pointer"] == pointer
    assert pointer != "/method" or '"kind"' not in problem["detail"]


def test_an_explanation_that_takes_too_long_is_given_up(start_service, tmp_path) -> None:
    with start_service(tmp_path, explain_seconds=0.001) as service:
        keep(service.context, make())
        problem = refused(service, "penguins", method="shapley", records=[RECORD])
    assert problem["errors"][0]["pointer"] == "/method"
    assert "longer than 0.001 seconds" in problem["detail"]


def test_an_unknown_model_is_not_found(service) -> None:
    assert service.client.get("/v1/models/nobody/importance").status_code == 404
    assert service.client.get("/v1/models/nobody/layers").status_code == 404


@pytest.mark.parametrize("method", ["integrated_gradients", "shapley"])
def test_predictions_come_with_their_reasons(service, models, method: str) -> None:
    path, query = "/v1/models/regression/predict", {"explain": method}
    rows = [[RECORD[name] for name in FEATURES], ["Biscoe", None, "female"]]
    plain = service.client.post(path, json={"inputs": rows}).json()["predictions"]
    response = service.client.post(path, params=query, json={"inputs": rows})
    assert response.status_code == 200, response.text
    answers = response.json()["predictions"]
    reasons = [answer.pop("explanation") for answer in answers]
    assert answers == plain
    for answer, reason in zip(answers, reasons, strict=True):
        total = sum(one["attribution"] for one in reason["attributions"])
        assert reason["score"] == pytest.approx(answer["value"], rel=1e-5)
        assert total == pytest.approx(answer["value"] - reason["reference_score"], rel=1e-3)
    response = service.client.post(path, params=query, json={"records": [RECORD] * 101})
    assert response.status_code == 422
    assert "at most 100 rows" in response.json()["detail"]


def test_every_method_has_a_request_and_is_in_the_catalog(service) -> None:
    methods = {spec.model_fields["method"].default for spec in EXPLANATION_SPECS}
    assert set(REQUESTS) == methods
    told = service.client.get("/v1/catalog").json()["explanations"]
    assert {one["kind"] for one in told} == methods
    assert all(one["formula"] and one["source"] and one["cost"] for one in told)
