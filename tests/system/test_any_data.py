"""Images, texts and series by themselves, over real HTTP: nothing is given but the data and the target."""

import io
import zipfile
from base64 import b64encode

import numpy as np
import polars as pl
import pytest
from PIL import Image
from serving import Running
from sklearn.datasets import load_digits

pytestmark = pytest.mark.slow

CHANCE = np.random.default_rng(0)


@pytest.fixture(scope="module")
def service(tmp_path_factory):
    running = Running(tmp_path_factory.mktemp("any") / "data")
    yield running
    running.close()


def upload(service, data, content_type, name):
    answer = service.client.post(
        f"/v1/datasets?name={name}", content=data, headers={"Content-Type": content_type}
    )
    assert answer.status_code == 201, answer.text
    return answer.json()["id"]


def model_of(service, dataset_id, target, **request):
    """Launch a job with nothing but this, and wait for its model."""
    sent = {"dataset_id": dataset_id, "target": target, **request}
    answer = service.client.post("/v1/jobs", json=sent)
    assert answer.status_code == 202, answer.text
    job = service.until(answer.json()["id"], "succeeded", "failed", seconds=300)
    assert job["status"] == "succeeded", job["error"]
    return service.client.get(f"/v1/models/{job['model_id']}").json()


def predict(service, model, records, status=200):
    answer = service.client.post(f"/v1/models/{model['id']}/predict", json={"records": records})
    assert answer.status_code == status, answer.text
    return answer.json()


def png(pixels, side=None):
    image = Image.fromarray(pixels)
    buffer = io.BytesIO()
    (image if side is None else image.resize((side, side))).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.fixture(scope="module")
def digits():
    """Eight by eight pixels of grey each, and what they show; the last 100 are for predictions."""
    digits = load_digits()
    return np.rint(digits.images * 255 / 16).astype(np.uint8), digits.target


def test_images_in_a_zip_file(service, digits):
    pixels, labels = digits
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for number, (image, label) in enumerate(zip(pixels[:-100], labels, strict=False)):
            archive.writestr(f"digits/{label}/{number}.png", png(image))
    dataset_id = upload(service, buffer.getvalue(), "application/zip", "digits")
    model = model_of(service, dataset_id, "label")
    assert model["evaluation"]["accuracy"] >= 0.97
    sent = [{"image": b64encode(png(image)).decode()} for image in pixels[-100:]]
    answered = predict(service, model, sent)["predictions"]
    right = np.mean([int(one["label"]) == label for one, label in zip(answered, labels[-100:], strict=True)])
    assert right >= 0.9
    lists, large = predict(
        service,
        model,
        [{"image": pixels[-1].tolist()}, {"image": b64encode(png(pixels[-1], side=24)).decode()}],
    )["predictions"]
    assert lists == answered[-1]
    assert large["label"] == lists["label"]


def test_images_in_an_npz_file(service, digits):
    pixels, labels = digits
    np.savez_compressed(buffer := io.BytesIO(), x=pixels, y=labels)
    dataset_id = upload(service, buffer.getvalue(), "application/x-npz", "arrays")
    model = model_of(service, dataset_id, "y", quality="fast")
    assert model["evaluation"]["accuracy"] >= 0.97
    assert model["features"][0]["shape"] == [8, 8, 1]
    again = service.client.post(f"/v1/models/{model['id']}/evaluate", json={"dataset_id": dataset_id})
    assert again.json()["evaluation"]["accuracy"] >= 0.97


def test_texts(service):
    """Whether a sentence praises or not, in the words of which some are negated."""
    telling = (["awful", "dreadful", "poor", "nasty"], ["lovely", "great", "superb", "pleasant"])
    rows = []
    for label in CHANCE.integers(2, size=1000):
        negated = CHANCE.random() < 0.3
        words = [f"word{i}" for i in CHANCE.integers(300, size=8)]
        words[4] = ("not " if negated else "") + str(CHANCE.choice(telling[label ^ negated]))
        rows.append({"review": " ".join(words), "tone": ["blame", "praise"][label]})
    csv = pl.DataFrame(rows).write_csv().encode()
    model = model_of(service, upload(service, csv, "text/csv", "reviews"), "tone", quality="fast")
    assert model["evaluation"]["accuracy"] >= 0.95
    sent = ["What a superb day", "that was NOT great, not pleasant!", None]
    good, bad, missing = predict(service, model, [{"review": text} for text in sent])["predictions"]
    assert (good["label"], bad["label"], missing["warnings"]) == ("praise", "blame", ["review is missing"])


def test_a_series(service):
    days = pl.date_range(pl.date(2024, 1, 1), pl.date(2024, 12, 31), eager=True)
    t = np.arange(len(days))
    sold = np.sin(2 * np.pi * t / 7) + 0.01 * t + 0.05 * CHANCE.standard_normal(len(t))
    frame = pl.DataFrame({"day": days, "sold": sold})
    dataset_id = upload(service, frame[:-2].write_csv().encode(), "text/csv", "sales")
    series = {"time": "day", "window": 14, "horizon": 2}
    refused = service.client.post(
        "/v1/jobs", json={"dataset_id": dataset_id, "target": "sold", "series": series | {"time": "date"}}
    )
    assert (refused.status_code, refused.json()["errors"][0]["pointer"]) == (422, "/series/time")
    model = model_of(service, dataset_id, "sold", series=series, quality="fast")
    baselines = {one["kind"]: one["validation"]["rmse"] for one in model["evaluation"]["baselines"]["models"]}
    assert model["evaluation"]["rmse"] < 0.3 * baselines["last_value"]
    assert [feature["name"] for feature in model["features"]] == ["day", "sold"]
    sent = [{"day": str(day), "sold": value} for day, value in frame[-16:-2].iter_rows()]
    [answer] = predict(service, model, sent)["predictions"]
    assert answer["after"] == "2024-12-29T00:00:00"
    assert [answer["values"][f"sold+{k}"] for k in (1, 2)] == pytest.approx(sold[-2:].tolist(), abs=0.4)
    short = predict(service, model, sent[:5], status=422)
    assert "a forecast reads the last 14 rows, but there are 5" in short["detail"]
    evaluated = service.client.post(f"/v1/models/{model['id']}/evaluate", json={"dataset_id": dataset_id})
    assert evaluated.status_code == 200, evaluated.text
    assert evaluated.json()["rows"] == len(days) - 2 - 15
    for path in ("export?format=onnx", "importance"):
        assert service.client.get(f"/v1/models/{model['id']}/{path}").status_code in {422, 501}
