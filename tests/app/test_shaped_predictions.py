"""`top`, `threshold` and `columns` of a prediction."""

import pytest
from hand_made import ROWS, keep, make

PLACE = "/v1/models/penguins/predict"
RECORDS = [{"island": row["island"], "bill": row["bill"], "sex": row["sex"]} for row in ROWS]


@pytest.fixture(scope="module")
def service(start_service, tmp_path_factory):
    with start_service(tmp_path_factory.mktemp("data")) as running:
        yield running


def ask(service, query="", records=RECORDS, status=200, **body):
    answer = service.client.post(PLACE + query, json=body or {"records": records})
    assert answer.status_code == status, answer.text
    return answer.json()["predictions"] if status == 200 else answer.json()["detail"]


def test_the_most_probable_classes_alone(service):
    keep(service.context, make("multiclass"))
    for whole, top in zip(ask(service), ask(service, "?top=2"), strict=True):
        ranked = sorted(whole["probabilities"], key=whole["probabilities"].get, reverse=True)
        assert list(top["probabilities"]) == ranked[:2]
        assert top["label"] == whole["label"] == ranked[0]
        assert top["probabilities"].items() <= whole["probabilities"].items()


def test_a_threshold_of_two_classes(service):
    keep(service.context, make("binary"))
    whole = ask(service)
    for threshold in (0, 1, whole[0]["probabilities"]["1"]):
        for row, prediction in zip(whole, ask(service, f"?threshold={threshold}"), strict=True):
            assert prediction["label"] == int(row["probabilities"]["1"] >= threshold)
            assert prediction["probabilities"] == row["probabilities"]


def test_a_threshold_of_labels(service):
    keep(service.context, make("multilabel"))
    for row, prediction in zip(ask(service), ask(service, "?threshold=0.3"), strict=True):
        assert prediction["labels"] == [label for label, p in row["probabilities"].items() if p >= 0.3]


def test_columns_go_back_as_they_came(service):
    keep(service.context, make())
    records = [record | {"id": i, "note": {"a": [i]}} for i, record in enumerate(RECORDS)]
    for record, prediction in zip(
        records, ask(service, "?columns=id&columns=sex&columns=x", records), strict=True
    ):
        assert prediction["columns"] == {"id": record["id"], "sex": record["sex"], "x": None}
        assert "unknown column 'id' is ignored" not in prediction["warnings"]
        assert "unknown column 'note' is ignored" in prediction["warnings"]
    [prediction] = ask(service, "?columns=sex", inputs=[["Dream", 40.0, "male"]])
    assert prediction["columns"] == {"sex": "male"}
    csv = service.client.post(
        f"{PLACE}?columns=id", content="id,sex\n7,male\n", headers={"Content-Type": "text/csv"}
    )
    assert csv.json()["predictions"][0]["columns"] == {"id": "7"}


def test_what_does_not_suit_is_refused(service):
    keep(service.context, make("regression"))
    assert "no probabilities" in ask(service, "?top=1", status=422)
    assert "this model is regression" in ask(service, "?threshold=0.5", status=422)
    assert "no feature 'id'" in ask(service, "?columns=id", status=422, inputs=[["Dream", 40.0, "male"]])
    assert ask(service, "?top=0", status=422)
    assert ask(service, "?threshold=nan", status=422)
