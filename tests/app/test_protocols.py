"""Predictions in the words of other servers: the Open Inference Protocol, MLflow's and TensorFlow Serving's."""

import json
import struct

import numpy as np
import pytest
import tritonclient.http as triton
from hand_made import FEATURES, ROWS, keep, make
from tritonclient.utils import InferenceServerException

RECORDS = [{name: row[name] for name in FEATURES} for row in ROWS]
MODEL = "/v1/models/penguins"


@pytest.fixture(scope="module")
def service(start_service, tmp_path_factory):
    with start_service(tmp_path_factory.mktemp("data")) as running:
        yield running


@pytest.fixture(scope="module")
def client(service):
    with triton.InferenceServerClient(service.url.removeprefix("http://")) as client:
        yield client


def predicted(service, records=RECORDS):
    answer = service.client.post(f"{MODEL}/predict", json={"records": records})
    assert answer.status_code == 200, answer.text
    return answer.json()["predictions"]


def tensors(*, binary):
    """A tensor a feature of `RECORDS`, as a client makes them."""
    texts = {name: [row[name] or "" for row in RECORDS] for name in ("island", "sex")}
    bill = np.array([np.nan if row["bill"] is None else row["bill"] for row in RECORDS])
    found = []
    for name, values, datatype in (
        *((name, np.array(text, object), "BYTES") for name, text in texts.items()),
        ("bill", bill, "FP64"),
    ):
        tensor = triton.InferInput(name, list(values.shape), datatype)
        if binary or datatype == "BYTES":
            tensor.set_data_from_numpy(values, binary_data=binary)
        else:
            tensor._data = [None if np.isnan(value) else value for value in values.tolist()]
        found.append(tensor)
    return found


@pytest.mark.parametrize("binary", [True, False])
@pytest.mark.parametrize(
    "task", ["binary", "multiclass", "multilabel", "regression", "several", "autoencoding"]
)
def test_triton_s_client_is_answered_as_our_route_answers(service, client, task, binary):
    kept = keep(service.context, make(task))
    expected = predicted(service)
    wanted = [
        triton.InferRequestedOutput(one["name"], binary_data=binary)
        for one in client.get_model_metadata("penguins")["outputs"]
    ]
    result = client.infer("penguins", tensors(binary=binary), outputs=wanted, request_id="mine")
    answer = result.get_response()
    assert (answer["model_name"], answer["model_version"], answer["id"]) == (
        "penguins",
        str(kept.version),
        "mine",
    )
    assert ("binary_data_size" in answer["outputs"][0].get("parameters", {})) == binary
    for name in expected[0]:
        found = result.as_numpy(name)
        for row, prediction in zip(found, expected, strict=True):
            match name:
                case "label":
                    text = row.decode() if isinstance(row, bytes) else row
                    assert text == str(prediction[name])
                case "labels":
                    assert [
                        label for label, held in zip(prediction["probabilities"], row, strict=True) if held
                    ] == (prediction[name])
                case "probabilities" | "values":
                    assert row.tolist() == list(prediction[name].values())
                case "warnings":
                    text = row.decode() if isinstance(row, bytes) else row
                    assert text == "; ".join(prediction[name])
                case _:
                    assert row == prediction[name]


def test_its_other_questions_are_answered(service, client):
    kept = keep(service.context, make())
    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.get_server_metadata()["extensions"] == ["binary_tensor_data"]
    assert client.is_model_ready("penguins")
    assert client.is_model_ready("penguins", str(kept.version))
    assert not client.is_model_ready("nobody")
    told = client.get_model_metadata("penguins", str(kept.version))
    assert told["versions"][0] == str(kept.version)
    assert {one["name"]: one["datatype"] for one in told["inputs"]} == {
        "island": "BYTES",
        "bill": "FP64",
        "sex": "BYTES",
    }
    assert "parameters" not in told["inputs"][0]  # rather than null, which is none of the protocol's values
    [probabilities] = [one for one in told["outputs"] if one["name"] == "probabilities"]
    assert probabilities["shape"] == [-1, 3]
    assert probabilities["parameters"] == {"classes": ["Adelie", "Chinstrap", "Gentoo"]}


def test_one_tensor_of_numbers_is_all_features(service, client):
    keep(
        service.context,
        make(features=["bill", "mass"], rows=[row | {"bill": 1.0 + i} for i, row in enumerate(ROWS)]),
    )
    values = np.array([[40, 3000], [np.nan, 4000]], np.float32)
    tensor = triton.InferInput("input", list(values.shape), "FP32")
    tensor.set_data_from_numpy(values)
    found = client.infer("penguins", [tensor]).as_numpy("probabilities")
    expected = predicted(service, [{"bill": 40, "mass": 3000}, {"mass": 4000}])
    assert found.tolist() == [list(row["probabilities"].values()) for row in expected]


def tensor(**changes):
    return {"name": "bill", "shape": [1], "datatype": "FP64", "data": [1.0]} | changes


BROKEN = {
    "no inputs": ({}, "inputs"),
    "no feature": ({"inputs": [tensor(name="x")]}, "there is no feature 'x'"),
    "too few values": ({"inputs": [tensor(shape=[2])]}, "the shape [2] means 2 values, data has 1"),
    "no values": ({"inputs": [tensor(data=None)]}, "needs data"),
    "no rows": ({"inputs": [tensor(shape=[0], data=[])]}, "1 to 10,000 rows"),
    "more axes": ({"inputs": [tensor(shape=[1, 2], data=[1, 2])]}, "needs the shape"),
    "other rows": (
        {"inputs": [tensor(), tensor(name="sex", shape=[2], data=["a", "b"])]},
        "same number of rows",
    ),
    "twice": ({"inputs": [tensor(), tensor()]}, "comes twice"),
    "words": ({"inputs": [tensor(datatype="BYTES", data=["abc"])]}, "row 0: a number expected in bill"),
    "bytes": ({"inputs": [tensor(parameters={"binary_data_size": 8})]}, "not so many bytes"),
    "another type": ({"inputs": [tensor(datatype="FP8")]}, "FP64"),
    "an unknown output": ({"inputs": [tensor()], "outputs": [{"name": "x"}]}, "there is no output 'x'"),
    "huge": ({"inputs": [tensor(shape=[2, 10**30, 10**30])]}, "values"),
}


@pytest.mark.parametrize(("body", "detail"), BROKEN.values(), ids=BROKEN)
def test_what_does_not_fit_is_said_in_the_protocol_s_shape(service, body, detail):
    keep(service.context, make())
    answer = service.client.post("/v2/models/penguins/infer", json=body)
    assert answer.status_code == 422, answer.text
    assert detail in answer.json()["error"]


HEAD = json.dumps(
    {"inputs": [{"name": "bill", "shape": [1], "datatype": "FP64", "parameters": {"binary_data_size": 8}}]}
)
TEXT = HEAD.replace("FP64", "BYTES")
NUMBER = struct.pack("<d", 40.0)


@pytest.mark.parametrize(
    ("head", "length", "behind"),
    [
        (HEAD, len(HEAD) + 9, NUMBER),
        (HEAD, "x", NUMBER),
        (HEAD, "-1", NUMBER),
        (HEAD, len(HEAD), NUMBER[:7]),
        (HEAD, len(HEAD), NUMBER + b"x"),
        (HEAD, 0, NUMBER),
        (HEAD, len(HEAD) - 1, NUMBER),
        (TEXT, len(TEXT), struct.pack("<I", 2**32 - 1) + b"40.0"),
        (TEXT, len(TEXT), struct.pack("<I", 0) * 2),
        (TEXT, len(TEXT), struct.pack("<I", 1) + b"\xff" + b"abc"),
        (HEAD.replace(": 8}", ": 7}"), len(HEAD), NUMBER[:7]),
        (HEAD.replace(": 8}", ": 1e0}"), len(HEAD) + 2, NUMBER),
    ],
)
def test_bytes_that_lie_are_refused(service, head, length, behind):
    keep(service.context, make())
    headers = {"Inference-Header-Content-Length": str(length)}
    post = service.client.post
    answer = post("/v2/models/penguins/infer", content=head.encode() + behind, headers=headers)
    assert answer.status_code == 422, answer.text
    assert answer.json()["error"]
    good = {"Inference-Header-Content-Length": str(len(HEAD))}
    assert post("/v2/models/penguins/infer", content=HEAD.encode() + NUMBER, headers=good).status_code == 200


def test_its_client_reads_our_errors(service, client):
    keep(service.context, make())
    with pytest.raises(InferenceServerException, match="there is no model nobody"):
        client.infer("nobody", tensors(binary=True))
    with pytest.raises(InferenceServerException, match="there is no model penguins:99999"):
        client.infer("penguins", tensors(binary=True), model_version="99999")


@pytest.mark.parametrize("task", ["multiclass", "regression", "several", "multilabel"])
def test_mlflow_s_shapes_are_answered_alike(service, task):
    keep(service.context, make(task))
    key = {"multiclass": "label", "regression": "value", "several": "values", "multilabel": "labels"}[task]
    expected = [prediction[key] for prediction in predicted(service)]
    values = [list(row.values()) for row in RECORDS]
    bodies = [
        {"dataframe_split": {"columns": list(FEATURES), "data": values, "index": [5, 6, 7]}},
        {"dataframe_records": RECORDS},
        {"instances": RECORDS},
        {"instances": values},
        {"inputs": {name: [row[name] for row in RECORDS] for name in FEATURES}},
        {"inputs": values},
    ]
    for body in bodies:
        answer = service.client.post("/invocations?model=penguins", json=body)
        assert answer.json() == {"predictions": expected}, answer.text
    csv = "\n".join(
        [",".join(FEATURES), *(",".join("" if v is None else str(v) for v in row) for row in values)]
    )
    answer = service.client.post(
        "/invocations?model=penguins", content=csv, headers={"Content-Type": "text/csv"}
    )
    assert answer.json() == {"predictions": expected}


def test_mlflow_s_model_may_be_a_setting_and_give_probabilities(start_service, tmp_path):
    with start_service(tmp_path / "data", invocations_model="penguins") as running:
        keep(running.context, make())
        body = {"dataframe_records": RECORDS, "params": {"method": "predict_proba"}}
        answer = running.client.post("/invocations", json=body).json()
        assert answer["predictions"] == [list(row["probabilities"].values()) for row in predicted(running)]


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        (
            {"dataframe_split": {"columns": ["sex", "bill"], "data": [["male", 1], ["male", "abc"]]}},
            "/dataframe_split/data/1/1",
        ),
        ({"dataframe_split": {"columns": ["bill"], "data": [[1, 2]]}}, "/dataframe_split/data/0"),
        ({"dataframe_records": [{"bill": "abc"}]}, "/dataframe_records/0/bill"),
        ({"inputs": {"bill": [1, "abc"]}}, "/inputs/bill/1"),
        ({"inputs": {"bill": [1], "sex": []}}, "/inputs"),
        ({"instances": [[1]]}, "/instances/0"),
        ({"instances": []}, "/instances"),
        ({"instances": [{}, 1]}, "/instances"),
        ({"instances": [{}], "params": {"method": "x"}}, "/params/method"),
        ({"instances": [{}], "params": {"method": ["predict"]}}, "/params/method"),
        ({"instances": [{}], "params": {"method": {}}}, "/params/method"),
    ],
)
def test_what_does_not_fit_mlflow_s_shapes_has_its_place(service, body, pointer):
    keep(service.context, make())
    answer = service.client.post("/invocations?model=penguins", json=body)
    assert answer.status_code == 422, answer.text
    assert [error["pointer"] for error in answer.json()["errors"]] == [pointer]


@pytest.mark.parametrize("body", [[], 1, {}, {"x": 1}, {"dataframe_split": 1}, {"inputs": 1}])
def test_other_shapes_are_refused(service, body):
    keep(service.context, make())
    assert service.client.post("/invocations?model=penguins", json=body).status_code == 422
    assert service.client.post("/invocations", json={"instances": RECORDS}).status_code == 422
    answer = service.client.post(f"{MODEL}:predict", json=body)
    assert answer.status_code == 422
    assert answer.json()["error"] == answer.json()["detail"]


def test_tensorflow_serving_s_clients_are_answered(service):
    kept = keep(service.context, make())
    expected = [
        {"label": row["label"], "probabilities": list(row["probabilities"].values())}
        for row in predicted(service)
    ]
    for path in (
        f"{MODEL}:predict",
        f"{MODEL}:{kept.version}:predict",
        f"{MODEL}/versions/{kept.version}:predict",
    ):
        answer = service.client.post(path, json={"signature_name": "serving_default", "instances": RECORDS})
        assert answer.json() == {"predictions": expected}, answer.text
    columns = {name: [row[name] for row in RECORDS] for name in FEATURES}
    answer = service.client.post(f"{MODEL}:predict", json={"inputs": columns}).json()
    assert answer["outputs"]["label"] == [row["label"] for row in expected]
    assert service.client.get(f"{MODEL}:{kept.version}").json()["id"] == kept.id  # is still a version
    keep(service.context, make("regression"))
    answer = service.client.post(f"{MODEL}:predict", content=json.dumps({"instances": RECORDS[:1]})).json()
    assert answer == {"predictions": [predicted(service)[0]["value"]]}
