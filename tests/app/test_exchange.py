"""Models taken along and brought in, over HTTP."""

import subprocess
import sys
from hashlib import sha256

import numpy as np
import onnxruntime
import pytest
from hand_made import ROWS, keep, make
from safetensors.numpy import save

from app.exchange import files
from app.problems import NotInstalled
from engine import model_file
from engine.trust.assurance import ClassConformal, ValueConformal

BINARY = {"Content-Type": "application/octet-stream"}


def drawn(task="multiclass", **changes):
    """A model whose last layer is not 0."""
    model = make(task, **changes)
    model.theta[:] += np.random.default_rng(3).standard_normal(model.theta.size, np.float32)
    return model


def ask(service, ref):
    response = service.client.post(f"/v1/models/{ref}/predict", json={"records": ROWS})
    assert response.status_code == 200, response.text
    return response.json()["predictions"]


def send(service, data, name="brought", **headers):
    return service.client.post(
        "/v1/models/import", params={"name": name}, content=data, headers={**BINARY, **headers}
    )


def test_a_model_goes_out_and_comes_back_with_every_bit(service) -> None:
    kept = keep(service.context, drawn())
    out = service.client.get("/v1/models/penguins/export?format=safetensors")
    assert out.status_code == 200
    assert out.headers["content-disposition"] == 'attachment; filename="penguins-1.safetensors"'
    back = send(service, out.content)
    assert back.status_code == 201, back.text
    item = back.json()
    assert back.headers["location"] == f"/v1/models/{item['id']}"
    assert (item["name"], item["version"], item["job_id"], item["dataset_id"]) == ("brought", 1, None, None)
    assert item["sha256"] == sha256(out.content).hexdigest() == kept.sha256
    assert ask(service, "brought") == ask(service, "penguins")
    shown = service.client.get("/v1/models/brought").json()
    assert shown["lineage"]["imported"]["sha256"] == item["sha256"]
    assert shown["lineage"]["dataset"] is None
    assert shown["features"] == service.client.get("/v1/models/penguins").json()["features"]


def test_an_import_sent_twice_creates_once(service) -> None:
    data = drawn().to_bytes()
    first, second = (send(service, data, **{"Idempotency-Key": "k"}) for _ in range(2))
    assert first.json() == second.json()
    assert len(service.client.get("/v1/models").json()["items"]) == 1
    assert send(service, drawn("binary").to_bytes(), **{"Idempotency-Key": "k"}).status_code == 422


@pytest.mark.parametrize("damage", [b"", b"\x80\x04\x95pickle", b"\xff" * 64, None])
def test_what_is_no_model_is_refused_and_leaves_nothing(service, damage) -> None:
    before = service.files()
    response = send(service, drawn().to_bytes()[:-8] if damage is None else damage)
    assert response.status_code == 422
    assert response.json()["type"] == "urn:backpropd:unreadable_file"
    assert service.files() == before
    assert service.client.get("/v1/models").json()["items"] == []


@pytest.mark.parametrize(
    "model",
    [
        make("multiclass", conformal=ValueConformal(scores=((0.1, 0.2),))),
        make("regression", conformal=ClassConformal(scores=(0.1, 0.2))),
        make("several", conformal=ValueConformal(scores=((0.1, 0.2),))),
    ],
)
def test_parts_that_do_not_belong_together_are_refused(service, model) -> None:
    response = send(service, model.to_bytes())
    assert response.status_code == 422, response.text
    assert "do not belong together" in response.json()["detail"]


def test_a_tensor_that_could_not_be_read_later_is_refused(service) -> None:
    tensors, metadata = model_file.unpack(drawn().to_bytes())
    data = save({**tensors, "row_losses.z": np.zeros(3, np.uint8)}, metadata)
    assert send(service, data).status_code == 422


def test_an_import_is_named_and_typed(service) -> None:
    data = drawn().to_bytes()
    assert send(service, data, name="import").status_code == 422
    assert send(service, data, **{"Content-Type": "text/csv"}).status_code == 415
    assert send(service, data, **{"Content-Encoding": "gzip"}).status_code == 415


def test_onnx_answers_as_the_service_does(service) -> None:
    keep(service.context, drawn())
    out = service.client.get("/v1/models/penguins/export?format=onnx")
    assert out.status_code == 200, out.text
    assert out.headers["backpropd-encoder"] == "included"
    session = onnxruntime.InferenceSession(out.content, providers=["CPUExecutionProvider"])
    columns = {
        "bill": np.array([[np.nan if row["bill"] is None else row["bill"]] for row in ROWS]),
        "island": np.array([[row["island"]] for row in ROWS], object),
        "sex": np.array([[row["sex"] or ""] for row in ROWS], object),
    }
    labels, probabilities = session.run(["label", "probabilities"], columns)
    ours = ask(service, "penguins")
    assert labels.tolist() == [row["label"] for row in ours]
    expected = np.array([list(row["probabilities"].values()) for row in ours])
    np.testing.assert_allclose(probabilities, expected, atol=1e-5)


def test_the_python_file_checks_itself(service, tmp_path) -> None:
    keep(service.context, drawn())
    out = service.client.get("/v1/models/penguins/export?format=python")
    assert out.status_code == 200, out.text
    script = tmp_path / "model.py"
    script.write_bytes(out.content)
    done = subprocess.run([sys.executable, "-I", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done
    assert done.stdout.startswith("largest difference to the test vectors")


def test_without_the_extra_onnx_says_how_to_install_it(monkeypatch, tmp_path) -> None:
    path = tmp_path / "model"
    path.write_bytes(drawn().to_bytes())
    monkeypatch.setattr(files, "find_spec", lambda name: None)
    about = {"model_id": "mdl_1", "sha256": sha256(path.read_bytes()).hexdigest()}
    with pytest.raises(NotInstalled, match=r"backpropd\[onnx\]") as caught:
        files.export(path, about, "onnx", tmp_path / "out")
    assert caught.value.status == 501


def test_what_cannot_be_exported(service) -> None:
    keep(service.context, drawn())
    assert service.client.get("/v1/models/penguins/export?format=pickle").status_code == 422
    assert service.client.get("/v1/models/penguins/export").status_code == 422
    assert service.client.get("/v1/models/nobody/export?format=onnx").status_code == 404


def test_a_training_may_start_from_an_imported_model(service) -> None:
    columns = ("island", "bill", "sex", "species")
    rows = [",".join("" if row[name] is None else str(row[name]) for name in columns) for row in ROWS * 4]
    dataset = service.upload("\n".join([",".join(columns), *rows]).encode())
    assert send(service, drawn().to_bytes()).status_code == 201
    job = {
        "dataset_id": dataset["id"],
        "target": "species",
        "features": ["island", "bill", "sex"],
        "start_from": "brought",
        "training": {"epochs": 1},
    }
    planned = service.client.post("/v1/jobs?validate_only=true", json=job)
    assert planned.status_code == 200, planned.text
    queued = service.client.post("/v1/jobs", json=job)
    assert queued.status_code == 202, queued.text
    assert queued.json()["start_from"] == service.client.get("/v1/models/brought").json()["id"]
