"""Trained models of every further task taken along over HTTP: what each format answers is what the service answers."""

import io
import json
import subprocess
import sys

import numpy as np
import onnxruntime
import polars as pl
import pytest
from serving import Running

pytestmark = pytest.mark.slow

BINARY = {"Content-Type": "application/octet-stream"}
RNG = np.random.default_rng(0)
ROWS = 120
DENSE = {"layers": [{"kind": "dense", "units": 6}, {"kind": "tanh"}, {"kind": "dense"}]}
CONV = {
    "layers": [
        {"kind": "conv2d", "filters": 3, "padding": "same", "stride": 2},
        {"kind": "relu"},
        {"kind": "flatten"},
        {"kind": "dense"},
    ]
}
TRAINING = {"epochs": 3, "early_stopping": None}


def table():
    a, b = RNG.normal(size=(2, ROWS))
    word = RNG.choice(["red", "green", "blue"], ROWS)
    score = a + (word == "red") - 0.5 * b
    return pl.DataFrame(
        {
            "a": [None if i % 17 == 0 else value for i, value in enumerate(a)],
            "b": b,
            "word": word,
            "size": np.array(["small", "medium", "large"])[np.digitize(score, [-0.5, 0.8])],
            "count": RNG.poisson(np.exp(np.clip(score, -2, 1.5))),
            "tall": (score > 0).astype(int),
            "wide": (b > 0.3).astype(int),
        }
    )


TABLE = table()
IMAGES = RNG.normal(size=(60, 7, 6, 2)).astype(np.float32)
FEATURES = ["a", "b", "word"]
RECORDS = [*TABLE[:6].select(FEATURES).to_dicts(), {"a": 0.3, "b": None, "word": "violet"}]
JOBS = {
    "ordinal": {"target": "size", "target_order": ["small", "medium", "large"]},
    "count": {"target": "count", "task": "count"},
    "multilabel": {"target": ["tall", "wide"], "task": "multilabel"},
    "ensemble": {"target": "size", "training": TRAINING | {"validation": {"kind": "k_fold", "folds": 3}}},
    "ensemble of counts": {"target": "count", "task": "count", "training": TRAINING | {"members": 2}},
    "images": {"target": "y", "network": CONV, "features": None},
}


@pytest.fixture(scope="module")
def service(tmp_path_factory):
    running = Running(tmp_path_factory.mktemp("exports") / "data")
    yield running
    running.close()


@pytest.fixture(scope="module")
def models(service):
    """Of each job the id of its model."""
    dataset = service.upload(TABLE.write_csv().encode())
    np.savez(buffer := io.BytesIO(), x=IMAGES, y=(IMAGES.mean(axis=(1, 2, 3)) > 0).astype(np.int64))
    answer = service.client.post(
        "/v1/datasets", content=buffer.getvalue(), headers={"Content-Type": "application/x-npz"}
    )
    assert answer.status_code == 201, answer.text
    started = {}
    for name, request in JOBS.items():
        body = {"network": DENSE, "training": TRAINING, "features": FEATURES} | request
        rows = answer.json()["id"] if name == "images" else dataset
        started[name] = service.launch(rows, body.pop("target"), **body)
    found = {}
    for name, job_id in started.items():
        job = service.until(job_id, "succeeded", "failed")
        assert job["status"] == "succeeded", (name, job["error"])
        found[name] = job["model_id"]
    return found


def records(name):
    return [{"x": image.tolist()} for image in IMAGES[:5]] if name == "images" else RECORDS


def predicted(service, ref, name):
    answer = service.client.post(f"/v1/models/{ref}/predict", json={"records": records(name)})
    assert answer.status_code == 200, answer.text
    return answer.json()["predictions"]


def exported(service, ref, kind):
    answer = service.client.get(f"/v1/models/{ref}/export", params={"format": kind})
    assert answer.status_code == 200, answer.text
    return answer


@pytest.mark.parametrize("name", JOBS)
def test_onnx(service, models, name):
    out = exported(service, models[name], "onnx")
    assert out.headers["backpropd-encoder"] == "included"
    session = onnxruntime.InferenceSession(out.content, providers=["CPUExecutionProvider"])
    if name == "images":
        columns = {"x": IMAGES[:5]}
    else:
        columns = {
            column: np.array([[np.nan if row[column] is None else row[column]] for row in RECORDS])
            for column in ("a", "b")
        } | {"word": np.array([[row["word"]] for row in RECORDS], object)}
    answered = dict(zip([one.name for one in session.get_outputs()], session.run(None, columns), strict=True))
    ours = predicted(service, models[name], name)
    if "values" in answered:
        np.testing.assert_allclose(answered["values"][:, 0], [row["value"] for row in ours], rtol=1e-5)
        return
    expected = [list(row["probabilities"].values()) for row in ours]
    np.testing.assert_allclose(answered["probabilities"], expected, atol=1e-5)
    if "label" in answered:
        assert answered["label"].tolist() == [row["label"] for row in ours]
    else:
        labels = np.array(["tall", "wide"])
        assert [labels[row].tolist() for row in answered["labels"]] == [row["labels"] for row in ours]


@pytest.mark.parametrize("name", ["ordinal", "multilabel", "images", "ensemble of counts"])
def test_the_python_file(service, models, name, tmp_path):
    """It checks itself, and as a module it answers our records."""
    (tmp_path / "model.py").write_bytes(exported(service, models[name], "python").content)
    (tmp_path / "records.json").write_text(json.dumps(records(name)))
    code = "import json, model; print(json.dumps(model.predict(json.load(open('records.json')))))"
    done, asked = (
        subprocess.run([sys.executable, *what], cwd=tmp_path, capture_output=True, text=True, check=False)
        for what in (["-I", "model.py"], ["-c", code])
    )
    assert done.returncode == 0, done
    assert asked.returncode == 0, asked
    for theirs, row in zip(json.loads(asked.stdout), predicted(service, models[name], name), strict=True):
        for kind, answer in theirs.items():
            if isinstance(answer, dict):
                assert answer == pytest.approx(row[kind], abs=1e-6)
            elif isinstance(answer, float):
                assert answer == pytest.approx(row[kind], rel=1e-6)
            else:
                assert answer == row[kind]


@pytest.mark.parametrize("name", ["multilabel", "images", "ensemble"])
def test_the_whole_model_comes_back(service, models, name):
    data = exported(service, models[name], "safetensors").content
    back = service.client.post("/v1/models/import", params={"name": "back"}, content=data, headers=BINARY)
    assert back.status_code == 201, back.text
    assert predicted(service, back.json()["id"], name) == predicted(service, models[name], name)


@pytest.mark.parametrize("name", ["count", "images", "ensemble"])
def test_keras_weights(service, models, name):
    file = np.load(io.BytesIO(exported(service, models[name], "keras_weights").content))
    about = json.loads(str(file["about"]))
    networks = about.get("networks") or [about["layers"]]
    assert len(networks) == (3 if name == "ensemble" else 1)
    summary = service.client.get(f"/v1/models/{models[name]}/layers").json()["layers"]
    shapes = [weight["values"]["shape"] for layer in summary for weight in layer["weights"]]
    for layers in networks:
        told = [list(file[f"{layer['name']}/{name}"].shape) for layer in layers for name in layer["weights"]]
        assert told == shapes


def test_a_training_goes_on_from_an_imported_model(service, models):
    """Exported, imported, and trained on: it starts where the other training ended."""
    dataset = service.upload(TABLE.write_csv().encode())
    request = {"features": FEATURES, "target_order": JOBS["ordinal"]["target_order"]}
    long = service.launch(dataset, "size", network=DENSE, training=TRAINING | {"epochs": 60}, **request)
    first = service.until(long, "succeeded", "failed")
    data = exported(service, first["model_id"], "safetensors").content
    back = service.client.post("/v1/models/import", params={"name": "start"}, content=data, headers=BINARY)
    assert back.status_code == 201, back.text
    training = TRAINING | {"epochs": 1, "optimizer": {"kind": "sgd", "learning_rate": 1e-6}}
    job_id = service.launch(dataset, "size", start_from="start", training=training, **request)
    second = service.until(job_id, "succeeded", "failed")
    assert second["status"] == "succeeded", second["error"]
    assert second["start_from"] == back.json()["id"]
    begun, ended = service.history(job_id)[0], service.history(long)[-1]
    assert begun["validation_loss"] == pytest.approx(ended["validation_loss"], rel=1e-3)
    assert begun["validation_loss"] < 0.8 * service.history(long)[0]["validation_loss"]
