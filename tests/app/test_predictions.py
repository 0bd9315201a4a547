"""Predictions and evaluations over HTTP, by models that were put together by hand."""

import json
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import polars as pl
import pytest
from hand_made import FEATURES, ROWS, keep, make

from app.dependencies import EVALUATORS
from app.errors import MAX_ERRORS
from app.predictions import evaluating
from app.predictions.schemas import CSV_EXAMPLE, EXAMPLES, MAX_ROWS, Predictions
from app.predictions.service import evaluate_on
from app.problems import Invalid
from app.turns import in_turn
from engine.appraisal import report_on
from engine.encoding.columns import infer
from engine.fitting import Fitting, Table
from engine.goal import GoalSpec
from engine.model import Model
from engine.training import TrainingSpec


@pytest.fixture(scope="module")
def service(start_service, tmp_path_factory):
    """One for all: each test keeps a model of its own, which is then the newest of its name."""
    with start_service(tmp_path_factory.mktemp("data")) as running:
        yield running


RECORD = {"island": "Dream", "bill": 40.0, "sex": "male"}
CSV = "text/csv"
PENGUINS = Path(__file__).parents[2] / "app" / "demo" / "penguins.csv"


def predict(service, body: Any, ref: str = "penguins") -> list[dict[str, Any]]:
    response = service.client.post(f"/v1/models/{ref}/predict", json=body)
    assert response.status_code == 200, response.text
    Predictions.model_validate(response.json())
    return response.json()["predictions"]


def predict_csv(service, text: str | bytes, content_type: str = CSV):
    return service.client.post(
        "/v1/models/penguins/predict", content=text, headers={"Content-Type": content_type}
    )


def refused(response, status: int = 422) -> dict[str, Any]:
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    return response.json()


SHAPES = {
    "binary": {"label", "probabilities"},
    "multiclass": {"label", "probabilities"},
    "multilabel": {"labels", "probabilities"},
    "regression": {"value"},
    "several": {"values"},
    "autoencoding": {"reconstruction_error"},
}


@pytest.mark.parametrize(("task", "keys"), SHAPES.items(), ids=SHAPES)
def test_each_task_answers_in_its_shape(service, task: str, keys: set[str]) -> None:
    model = make(task)
    kept = keep(service.context, model)
    response = service.client.post("/v1/models/penguins/predict", json={"records": [RECORD]}).json()
    assert response["model_id"] == kept.id
    assert response["version"] == kept.version
    [prediction] = response["predictions"]
    assert prediction.keys() == keys | {"warnings"}
    assert prediction["warnings"] == []
    frame, *_ = infer(pl.DataFrame([RECORD]))
    assert {key: prediction[key] for key in keys} == json.loads(json.dumps(model.predict(frame)[0]))


def test_probabilities_are_those_of_every_class(service) -> None:
    keep(service.context, make("multiclass"))
    [prediction] = predict(service, {"records": [RECORD]})
    assert list(prediction["probabilities"]) == ["Adelie", "Chinstrap", "Gentoo"]
    assert sum(prediction["probabilities"].values()) == pytest.approx(1)
    assert prediction["label"] == max(prediction["probabilities"], key=prediction["probabilities"].get)


def test_labels_keep_their_type(service) -> None:
    keep(service.context, make("binary"))
    [prediction] = predict(service, {"records": [RECORD]})
    assert prediction["label"] in {0, 1}
    assert list(prediction["probabilities"]) == ["0", "1"]


def test_records_inputs_and_csv_are_answered_alike(service) -> None:
    keep(service.context, make())
    rows = [{name: row[name] for name in FEATURES} for row in ROWS]
    by_name = predict(service, {"records": rows})
    assert predict(service, {"inputs": [list(row.values()) for row in rows]}) == by_name
    text = ",".join(FEATURES) + "\n"
    text += "".join(
        ",".join("" if value is None else str(value) for value in row.values()) + "\n" for row in rows
    )
    for variant in (
        text,
        "\ufeff" + text,
        text.replace("\n", "\r\n"),
        text.replace(",", ";"),
        text.rstrip("\n"),
    ):
        assert predict_csv(service, variant).json()["predictions"] == by_name
    assert predict_csv(service, text, "text/csv; charset=utf-8").json()["predictions"] == by_name


def test_a_row_is_answered_alike_alone_and_among_others(service) -> None:
    keep(service.context, make())
    rows = [RECORD | {"bill": 30 + i / 7} for i in range(200)]
    together = predict(service, {"records": rows})
    assert [predict(service, {"records": [row]})[0] for row in rows[::50]] == together[::50]


def test_what_is_odd_about_a_row_is_a_warning(service) -> None:
    keep(service.context, make())
    warnings = [
        prediction["warnings"]
        for prediction in predict(
            service,
            {
                "records": [
                    RECORD,
                    {"island": "Mars", "bill": "40.5", "sex": "NA"},
                    {},
                    RECORD | {"colour": "pink", "species": "Adelie"},
                ]
            },
        )
    ]
    assert warnings[0] == []
    assert warnings[1] == ["unseen category 'Mars' in island", "sex is missing"]
    assert warnings[2] == ["island is missing", "bill is missing", "sex is missing"]
    assert len(warnings[3]) == 2
    assert "'colour'" in warnings[3][0]


JSON_MISTAKES: dict[str, tuple[Any, str, str]] = {
    "nothing": ({}, "", "records or inputs"),
    "null": ({"records": None}, "", "records or inputs"),
    "both": ({"records": [RECORD], "inputs": [["Dream", 1, None]]}, "/inputs", "one of both"),
    "no row": ({"records": []}, "/records", "at least 1"),
    "no input": ({"inputs": []}, "/inputs", "at least 1"),
    "too many rows": ({"inputs": [[]] * (MAX_ROWS + 1)}, "/inputs", "at most 10000"),
    "unknown field": ({"records": [RECORD], "rows": 1}, "/rows", "unknown field"),
    "a list": ([RECORD], "", "dictionary"),
    "a record that is a list": ({"records": [RECORD, []]}, "/records/1", "must be an object"),
    "an input that is an object": ({"inputs": [RECORD]}, "/inputs/0", "list"),
    "text for a number": (
        {"records": [RECORD, RECORD, RECORD, RECORD | {"bill": "abc"}]},
        "/records/3/bill",
        "a number expected in bill, got 'abc'",
    ),
    "a list for a number": ({"records": [RECORD | {"bill": [1]}]}, "/records/0/bill", "a number expected"),
    "an object for text": ({"records": [RECORD | {"sex": {"a": 1}}]}, "/records/0/sex", "text expected"),
    "truth for a number": ({"records": [RECORD | {"bill": True}]}, "/records/0/bill", "a number expected"),
    "text in an input": (
        {
            "inputs": [
                ["Dream", 1, "male"],
                ["Dream", 2, "male"],
                ["Dream", 3, "male"],
                ["Dream", "x", "male"],
            ]
        },
        "/inputs/3/1",
        "a number expected in bill",
    ),
    "a short input": ({"inputs": [["Dream", 1, "male"], ["Dream"]]}, "/inputs/1", "3 values expected"),
    "a long input": ({"inputs": [["Dream", 1, "male", 4]]}, "/inputs/0", "3 values expected"),
}


@pytest.mark.parametrize(("body", "pointer", "sentence"), JSON_MISTAKES.values(), ids=JSON_MISTAKES)
def test_json_that_cannot_be_answered(service, body: Any, pointer: str, sentence: str) -> None:
    keep(service.context, make())
    problem = refused(service.client.post("/v1/models/penguins/predict", json=body))
    assert problem["errors"][0]["pointer"] == pointer
    assert sentence in problem["errors"][0]["detail"]


def test_an_answer_stays_small_however_much_is_wrong(service) -> None:
    keep(service.context, make())
    response = service.client.post("/v1/models/penguins/predict", json={"inputs": [1] * MAX_ROWS})
    assert len(refused(response)["errors"]) == MAX_ERRORS


RAW_JSON: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "not valid JSON"),
    "broken": (b'{"records": [', "not valid JSON"),
    "NaN": (b'{"inputs": [["Dream", NaN, "male"]]}', "NaN"),
    "1e999": (b'{"inputs": [["Dream", 1e999, "male"]]}', "too large"),
    "deep": (b'{"inputs": [' + b"[" * 40 + b"]" * 40 + b"]}", "nested deeper"),
    "not UTF-8": (b'{"inputs":\n [["Dre\xff"]]}', "line 2"),
}


@pytest.mark.parametrize(("body", "sentence"), RAW_JSON.values(), ids=RAW_JSON)
def test_a_body_that_is_no_json(service, body: bytes, sentence: str) -> None:
    keep(service.context, make())
    response = service.client.post(
        "/v1/models/penguins/predict", content=body, headers={"Content-Type": "application/json"}
    )
    assert sentence in refused(response)["detail"]


@pytest.mark.parametrize("number", [10**307, -(10**307), 10**20, 1e300, 5e-324, -0.0])
def test_extreme_numbers_are_answered(service, number: float) -> None:
    for task in ("regression", "multiclass"):
        keep(service.context, make(task))
        predict(service, {"records": [RECORD | {"bill": number}]})


CSV_MISTAKES: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "line 1: a header"),
    "header only": (b"island,bill,sex\n", "no rows"),
    "short row": (b"island,bill,sex\nDream,1,male\nDream,2\n", "line 3 has 2 values, but the header has 3"),
    "long row": (b"island,bill,sex\nDream,1,male,4\n", "line 2 has 4 values"),
    "short row behind a value of two lines": (b'island,bill,sex\n"Dr\neam",1,male\nDream\n', "line 4 has 1"),
    "bad number": (
        b"island,bill,sex\nDream,1,male\n\nDream,abc,male\n",
        "line 4, column bill: a number expected",
    ),
    "nameless column": (b"island,,sex\nDream,1,male\n", "column 2 has no name"),
    "equal columns": (b"island,bill,bill\nDream,1,2\n", "several columns are called 'bill'"),
    "open quote": (b'island,bill,sex\n"Dream,1,male\n', "line 2 is not CSV"),
    "not UTF-8": (b"island,bill,sex\nDream,1,m\xffle\n", "line 2: the body is not UTF-8"),
    "too many rows": (b"bill\n" + b"1\n" * (MAX_ROWS + 1), "at most 10,000 rows"),
}


@pytest.mark.parametrize(("body", "sentence"), CSV_MISTAKES.values(), ids=CSV_MISTAKES)
def test_csv_that_cannot_be_answered(service, body: bytes, sentence: str) -> None:
    keep(service.context, make())
    assert sentence in refused(predict_csv(service, body))["detail"]


def test_most_rows_at_a_time(service) -> None:
    keep(service.context, make())
    assert len(predict(service, {"inputs": [["Dream", 1, "male"]] * MAX_ROWS})) == MAX_ROWS
    assert len(predict_csv(service, "bill\n" + "1\n" * MAX_ROWS).json()["predictions"]) == MAX_ROWS


def test_a_text_field_of_any_length(service) -> None:
    keep(service.context, make())
    response = predict_csv(service, f"island,bill,sex\n{'x' * 200_000},1,male\n")
    assert response.status_code in {200, 422}
    assert len(response.content) < 2000


@pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded", ""])
def test_a_body_of_another_type(service, content_type: str) -> None:
    keep(service.context, make())
    problem = refused(predict_csv(service, "bill\n1\n", content_type), 415)
    assert "send application/json, text/csv" in problem["detail"]


def test_a_prediction_may_be_larger_than_other_bodies_but_not_without_end(service) -> None:
    keep(service.context, make())
    large = json.dumps({"records": [RECORD | {"note": "x" * (service.settings.max_json_bytes + 1)}]})
    assert predict_csv(service, large, "application/json").status_code == 200
    refused(predict_csv(service, b" " * (service.settings.max_predict_bytes + 1), "application/json"), 413)


def test_the_documented_examples_are_answered_without_a_warning(service) -> None:
    frame, types, _ = infer(pl.read_csv(PENGUINS, infer_schema=False, null_values="NA"))
    fitting = Fitting(Table(frame, types), GoalSpec(target="species"), training=TrainingSpec(epochs=1))
    list(fitting.run())
    keep(service.context, fitting.model)
    predictions = [
        *predict(service, EXAMPLES["records"]["value"]),
        *predict(service, EXAMPLES["inputs"]["value"]),
        *predict_csv(service, CSV_EXAMPLE).json()["predictions"],
    ]
    assert [prediction["warnings"] for prediction in predictions] == [[]] * 4
    assert predictions[0] == predictions[1] == predictions[2]


@pytest.mark.slow
def test_the_api_starts_without_polars() -> None:
    code = "import sys, app.main; sys.exit('polars' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_many_threads_ask_several_models(service) -> None:
    refs = [keep(service.context, make(task), task).name for task in ("binary", "multiclass", "regression")]
    expected = {ref: predict(service, {"records": [RECORD]}, ref) for ref in refs}
    wrong: list[str] = []

    def ask(ref: str) -> None:
        wrong.extend(ref for _ in range(10) if predict(service, {"records": [RECORD]}, ref) != expected[ref])

    threads = [threading.Thread(target=ask, args=(ref,)) for ref in refs * 2]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_a_damaged_file_is_never_served(service) -> None:
    kept = keep(service.context, make())
    path = service.context.storage.model(kept.id)
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    refused(service.client.post("/v1/models/penguins/predict", json={"records": [RECORD]}), 500)


# Evaluations.


def upload(service, rows: list[dict[str, Any]]) -> str:
    response = service.client.post("/v1/datasets?name=rows", json=rows)
    assert response.status_code == 201, response.text
    return response.json()["id"]


def evaluated(service, rows: list[dict[str, Any]]) -> dict[str, Any]:
    response = service.client.post("/v1/models/penguins/evaluate", json={"dataset_id": upload(service, rows)})
    assert response.status_code == 200, response.text
    return response.json()


def report_of(model: Model, rows: list[dict[str, Any]]) -> dict[str, Any]:
    frame, *_ = infer(pl.DataFrame(rows))
    x = model.encoder.encode(frame)
    report = report_on(model, frame, model.answers_to(x), model.target.truth(frame, x), of="dataset")
    return report.model_dump(mode="json")


@pytest.mark.parametrize("task", SHAPES)
def test_an_evaluation_is_the_engine_s(service, task: str) -> None:
    model = make(task)
    kept = keep(service.context, model)
    answer = evaluated(service, ROWS)
    assert answer["model_id"] == kept.id
    assert answer["rows"] == len(ROWS)
    assert answer["evaluation"] == report_of(model, ROWS)
    assert answer["warnings"] == ["bill is missing in 1 of 5 rows", "sex is missing in 1 of 5 rows"]


def test_rows_without_target_are_left_out_and_counted(service) -> None:
    model = make("multiclass")
    keep(service.context, model)
    odd = [ROWS[0] | {"species": None}, ROWS[1] | {"species": "NA"}, ROWS[2] | {"island": "Mars"}]
    answer = evaluated(service, [*odd, *ROWS])
    assert answer["rows"] == 1 + len(ROWS)
    assert answer["warnings"] == [
        "species is missing in 2 of 8 rows, which are left out",
        "unseen category in island in 1 of 6 rows",
        "bill is missing in 1 of 6 rows",
        "sex is missing in 2 of 6 rows",
    ]
    assert answer["evaluation"] == report_of(model, [ROWS[2] | {"island": "Mars"}, *ROWS])


def test_names_that_look_like_patterns_are_only_names(service) -> None:
    odd = {"bill": "^.*$", "sex": "*"}
    rows = [{odd.get(name, name): value for name, value in row.items()} for row in ROWS]
    model = make("multiclass", rows, [odd.get(name, name) for name in FEATURES])
    keep(service.context, model)
    answer = evaluated(service, rows)
    assert answer["evaluation"] == report_of(model, rows)
    assert answer["warnings"] == ["^.*$ is missing in 1 of 5 rows", "* is missing in 1 of 5 rows"]


def without(*names: str) -> list[dict[str, Any]]:
    return [{name: value for name, value in row.items() if name not in names} for row in ROWS]


EVALUATION_MISTAKES: dict[str, tuple[list[dict[str, Any]], str]] = {
    "missing features": (without("island", "sex"), "no column 'island', 'sex'"),
    "missing target": (without("species"), "no column 'species'"),
    "no target anywhere": ([row | {"species": None} for row in ROWS], "no row has a value of species"),
    "unknown class": ([*ROWS, ROWS[0] | {"species": "Emperor"}], "'Emperor'"),
    "feature of another type": ([row | {"bill": "long"} for row in ROWS], "bill"),
}


@pytest.mark.parametrize(("rows", "sentence"), EVALUATION_MISTAKES.values(), ids=EVALUATION_MISTAKES)
def test_data_that_a_model_cannot_be_held_against(service, rows, sentence: str) -> None:
    keep(service.context, make("multiclass"))
    body = {"dataset_id": upload(service, rows)}
    problem = refused(service.client.post("/v1/models/penguins/evaluate", json=body))
    assert problem["errors"][0]["pointer"] == "/dataset_id"
    assert sentence in problem["detail"]


@pytest.mark.parametrize(
    "body", [{"dataset_id": "ds_0"}, {}, {"dataset_id": 1}, {"dataset_id": "ds_0", "x": 1}]
)
def test_an_evaluation_without_data(service, body: dict[str, Any]) -> None:
    keep(service.context, make())
    refused(service.client.post("/v1/models/penguins/evaluate", json=body))


def test_more_rows_than_memory_holds(service) -> None:
    kept = keep(service.context, make("regression"))
    dataset_id, storage = upload(service, ROWS), service.context.storage
    about = {"model_id": kept.id, "version": 1, "dataset_id": dataset_id, "sha256": kept.sha256}
    with pytest.raises(Invalid, match="more than memory can hold"):
        evaluating.evaluate(storage.model(kept.id), storage.dataset(dataset_id), 10, about)


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"evaluate_seconds": 0.001}, "took longer than 0.001 seconds"),
        # A library that gets no memory for its threads may also wait for ever.
        ({"memory_budget": 1 << 20, "evaluate_seconds": 5.0}, "could not be evaluated on it"),
    ],
    ids=["time", "memory"],
)
def test_an_evaluation_over_its_limits_ends_alone(service, settings, sentence: str) -> None:
    keep(service.context, make("regression"))
    dataset_id = upload(service, ROWS * 5000)
    small = service.settings.model_copy(update=settings)
    context = service.context.__class__(**(vars(service.context) | {"settings": small}))
    with pytest.raises(Invalid, match=sentence):
        evaluate_on(context, "penguins", dataset_id)
    assert service.client.get("/healthz").status_code == 200


def test_evaluations_that_are_too_many_are_told_to_wait(service, monkeypatch) -> None:
    keep(service.context, make("regression"))
    body = {"dataset_id": upload(service, ROWS)}
    go_on, begun = threading.Event(), threading.Semaphore(0)

    def evaluate_later(*args) -> str:
        begun.release()
        assert go_on.wait(30)
        return evaluate_on(*args)

    def post() -> httpx.Response:
        return httpx.post(f"{service.url}/v1/models/penguins/evaluate", json=body, timeout=60)

    monkeypatch.setattr("app.predictions.service.evaluate_on", evaluate_later)
    monkeypatch.setattr(in_turn, "__kwdefaults__", {"wait": 0.05})
    with ThreadPoolExecutor() as threads:
        working = [threads.submit(post) for _ in range(EVALUATORS)]
        assert all(begun.acquire(timeout=30) for _ in working)
        refused = post()
        go_on.set()
        assert [answer.result().status_code for answer in working] == [200] * EVALUATORS
    assert (refused.status_code, refused.headers["Retry-After"]) == (503, "1")
    assert post().status_code == 200  # the places are free again
