"""Both clients against a real service."""

import asyncio
import gzip
import json
import subprocess
import sys

import httpx
import numpy as np
import pandas as pd
import polars as pl
import pytest
from serving import PENGUINS, SMALL, Running, bearer

from backpropd_client import (
    AsyncClient,
    Client,
    Conflict,
    Invalid,
    JobCancelled,
    NotFound,
    Retries,
    Unauthorized,
)
from backpropd_client.tables import base

pytestmark = pytest.mark.slow

QUICK = {"network": SMALL, "training": {"epochs": 40, "seed": 5}}


@pytest.fixture(scope="module")
def service(tmp_path_factory):
    running = Running(tmp_path_factory.mktemp("client") / "data")
    yield running
    running.close()


@pytest.fixture(scope="module")
def client(service):
    with Client(service.url) as client:
        yield client


@pytest.fixture(scope="module")
def model(client):
    return client.train(PENGUINS, "species", model_name="birds", **QUICK).wait(timeout=60)


@pytest.fixture(scope="module")
def answers(service, model):
    """What the service says of the penguins, asked without the client."""
    rows = pl.read_csv(PENGUINS, null_values="NA").drop("species").to_dicts()
    answer = service.client.post(f"/v1/models/{model.id}/predict", json={"records": rows})
    return answer.json()["predictions"]


def test_a_frame_makes_the_same_model_as_its_file(client, model):
    """What pandas and polars upload is what the file holds."""
    for read, missing in (pd.read_csv, {}), (pl.read_csv, {"null_values": "NA"}):
        job = client.train(read(PENGUINS, **missing), "species", **QUICK)
        job.wait(timeout=60)
        assert job.data["weights_sha256"] == model.data["lineage"]["weights_sha256"]
        assert job.data["dataset"]["name"] == "data set"


def test_rows_of_every_kind_have_the_services_answers(monkeypatch, model, answers):
    monkeypatch.setattr(base, "ROWS_AT_MOST", 100)  # so that they are asked for in pieces
    labels = [answer["label"] for answer in answers]
    shares = [list(answer["probabilities"].values()) for answer in answers]
    pandas, polars = pd.read_csv(PENGUINS), pl.read_csv(PENGUINS, null_values="NA")
    pandas.index = pandas.index + 1000
    expected = pd.Series(labels, pandas.index, name="species")
    pd.testing.assert_series_equal(model.predict(pandas), expected)
    assert model.predict(polars).equals(pl.Series("species", labels))
    assert model.predict(polars.to_dicts()) == labels
    array = model.predict(polars.select(model.features).to_numpy())
    assert isinstance(array, np.ndarray)
    assert array.tolist() == labels
    assert model.predict(polars.row(0, named=True)) == labels[0]
    assert model.predict(polars.clear()).len() == 0

    assert model.predict_proba(pandas).to_numpy().tolist() == shares
    assert list(model.predict_proba(pandas).columns) == model.classes == ["Adelie", "Chinstrap", "Gentoo"]
    assert model.predict_proba(polars).rows() == [tuple(row) for row in shares]
    assert model.predict_proba(polars.to_dicts())[7] == dict(zip(model.classes, shares[7], strict=True))
    assert model.answers(polars.drop("species").to_dicts()) == answers


def test_evaluating_explaining_and_taking_along(client, service, model, tmp_path):
    frame = pd.read_csv(PENGUINS)
    before = len(list(client.datasets))
    assert model.evaluate(frame)["rows"] == 344
    with pytest.raises(Invalid, match="species"):
        model.evaluate(frame.drop(columns="species"))
    assert len(list(client.datasets)) == before, "what was uploaded for it is gone again"

    explained = model.explain(frame.head(2), "integrated_gradients", output="Gentoo")
    assert [one["output"] for one in explained["explanations"]] == ["Gentoo", "Gentoo"]
    assert model.explain(method="gedeon")["method"] == "gedeon"
    assert model.answers(frame.head(1), explain="shapley")[0]["explanation"]["attributions"]

    script = model.export(tmp_path / "birds.py")
    subprocess.run([sys.executable, script], check=True, capture_output=True, timeout=60)
    with pytest.raises(ValueError, match="by its ending"):
        model.export(tmp_path / "birds.bin")
    with pytest.raises(Invalid):
        model.export(tmp_path / "birds.py", format="pickle")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["birds.py"]
    again = client.models.import_file(model.export(tmp_path / "birds.safetensors"), "back")
    pd.testing.assert_frame_equal(again.predict_proba(frame), model.predict_proba(frame))


def test_tasks_with_numbers_and_arrays(client):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(120, 3))
    one = client.train((x, x[:, 0]), task="regression", **QUICK).wait(timeout=60)
    assert one.predict(x).shape == (120,)
    two = client.train((x, x[:, :2]), task="regression", **QUICK).wait(timeout=60)
    assert two.predict(pl.DataFrame(x, ["x0", "x1", "x2"])).columns == ["y0", "y1"]
    assert np.corrcoef(two.predict(x)[:, 1], x[:, 1])[0, 1] > 0.9
    with pytest.raises(ValueError, match="no probabilities"):
        two.predict_proba(x)
    records = [{"a": float(row[0]), "b": "v" if row[1] > 0 else "u"} for row in x]
    without = client.train(
        records, network={"layers": [{"kind": "dense", "units": 4}, {"kind": "tanh"}, {"kind": "dense"}]}
    ).wait(timeout=60)
    assert len(without.predict(records)) == 120


def test_series_are_forecast_a_row_a_series(client):
    day = pd.date_range("2024-01-01", periods=80)
    one = pd.DataFrame({"day": day, "sales": np.sin(np.arange(80) / 5)})
    frame = pd.concat([one.assign(shop=shop) for shop in "ab"])
    series = {"time": "day", "window": 8, "horizon": 2, "group": "shop"}
    model = client.train(frame, "sales", series=series, training={"epochs": 2}).wait(timeout=60)
    newest = frame.groupby("shop").tail(8)
    forecast = model.predict(newest)
    assert list(forecast.columns) == ["group", "after", "sales+1", "sales+2"]
    assert forecast["group"].tolist() == ["a", "b"]
    assert forecast["after"].unique().tolist() == ["2024-03-20T00:00:00"]
    assert forecast["sales+2"].tolist() == [answer["values"]["sales+2"] for answer in model.answers(newest)]


def test_anything_else_can_be_asked_for(client, model):
    aliases = f"/v1/models/{model.name}/aliases"
    client.request("PUT", f"{aliases}/champion", json={"version": model.version})
    assert client.models.get("birds@champion").id == model.id
    assert client.request("DELETE", f"{aliases}/champion") is None
    assert "layers" in client.request("GET", "/v1/catalog")
    assert [item["name"] for item in client.request("GET", "/v1/models", params={"limit": 1})["items"]]


def test_the_life_of_a_job(client, service):
    data = client.datasets.upload(PENGUINS, name="mine")
    plan = client.plan(data, "species", **QUICK)
    assert plan["task"] == "multiclass"
    network = client.networks.create("two", template={"kind": "mlp", "hidden": [8, 8]})
    assert network.summary([15], 3)["output_shape"] == [3]
    long = {"training": {"epochs": 100_000, "early_stopping": None}}
    job = client.train(data, "species", network=network, **long)
    with pytest.raises(TimeoutError):
        job.wait(timeout=0.5)
    with pytest.raises(Conflict):
        data.delete()
    service.until_epoch(job.id)
    assert job.change(learning_rate=0.002).data["changes"][0]["learning_rate"] == 0.002
    assert job.history(max_points=3)[0]["epoch"] == 1
    with pytest.raises(Conflict, match="no checkpoint yet"):
        job.answers(dict.fromkeys(job.data["plan"]["features"]))
    job.pause()
    service.until(job.id, "paused")
    answers = job.answers(pl.read_csv(PENGUINS, infer_schema=False).head(3))
    assert {answer["label"] for answer in answers} <= {"Adelie", "Chinstrap", "Gentoo"}
    assert len(answers) == 3
    job.resume()
    assert job.cancel().data["cancel_requested_at"] is not None
    with pytest.raises(JobCancelled, match="was cancelled"):
        job.wait(timeout=60)
    listed = next(iter(client.jobs.list(status="cancelled")))
    assert (listed.id, listed.status) == (job.id, "cancelled")
    with pytest.raises(JobCancelled):
        listed.wait()  # what a list leaves out is fetched
    job.delete()
    data.delete()
    with pytest.raises(NotFound):
        client.jobs.get(job.id)


def test_lists_go_on_over_all_pages(client):
    made = [client.networks.create("many", layers=[{"kind": "dense"}]).id for _ in range(103)]
    assert [network.id for network in client.networks.list(name="many")] == made[::-1]


def test_files_are_streamed_with_their_names(client, tmp_path):
    packed = tmp_path / "few.ndjson.gz"
    lines = "".join(json.dumps({"a": n}) + "\n" for n in range(1000))
    packed.write_bytes(gzip.compress(lines.encode()))
    dataset = client.datasets.upload(packed)
    assert (dataset.name, dataset.rows) == ("few", 1000)
    with pytest.raises(FileNotFoundError, match="nor is that the id of a data set"):
        client.train("nowhere.csv", "y")
    with pytest.raises(ValueError, match=r"\.parquet"):
        client.train(__file__, "y")


@pytest.mark.parametrize("library", ["pandas", "polars", "given"])
def test_categories_are_categories_also_where_they_are_numbers(client, library):
    codes = ["00123", "04567"] * 20
    if library == "pandas":
        data = pd.DataFrame({"zip": pd.Categorical([int(code) for code in codes]), "n": range(40)})
    else:
        data = pl.DataFrame({"zip": codes, "n": range(40)})
    if library == "polars":
        data = data.with_columns(pl.col("zip").cast(pl.Enum(["00123", "04567"])))
    given = {"types": {"zip": "categorical"}} if library == "given" else {}
    dataset = client.datasets.upload(data, **given)
    assert [column["type"] for column in dataset.data["columns"]] == ["categorical", "numeric"]
    values = {entry["value"] for entry in dataset.data["columns"][0]["top"]}
    assert values == ({"00123", "04567"} if library == "polars" else {"123", "4567"})


def test_the_same_key_creates_once(client):
    first = client.train(PENGUINS, "species", idempotency_key="once", **QUICK)
    assert client.train(PENGUINS, "species", idempotency_key="once", **QUICK).id == first.id
    first.wait(timeout=60)


class Cutting(httpx.HTTPTransport):
    """A connection that is lost after every few pieces of a stream of events."""

    def handle_request(self, request):
        response = super().handle_request(request)
        if request.url.path.endswith("/events"):
            response.stream = Cut(response.stream)
        return response


class Cut(httpx.SyncByteStream):
    def __init__(self, stream):
        self.stream = stream

    def __iter__(self):
        for number, piece in enumerate(self.stream):
            yield piece if number < 2 else piece[: len(piece) // 2]  # within an event
            if number == 2:
                raise httpx.ReadError("cut")

    def close(self):
        self.stream.close()


def test_events_are_followed_over_lost_connections(client, service):
    job = client.train(PENGUINS, "species", network=SMALL, training={"epochs": 300, "early_stopping": None})
    with Client(service.url, retries=Retries(first=0.01), transport=Cutting()) as cut:
        followed = list(cut.jobs.get(job.id).events(timeout=60))
    numbers = [int(event.id) for event in followed]
    assert numbers == sorted(set(numbers))
    epochs = [point["epoch"] for event in followed if event.kind == "epoch" for point in event.data["points"]]
    assert epochs == list(range(1, 301))
    assert followed[-1].kind == "done"


def test_with_asyncio(service, model, answers, tmp_path):
    frame = pl.read_csv(PENGUINS, null_values="NA")

    async def everything():
        async with AsyncClient(service.url) as client:
            seen = []
            jobs = await asyncio.gather(
                *(client.train(data, "species", **QUICK) for data in (PENGUINS, frame, frame.to_dicts()))
            )
            models = await asyncio.gather(*(job.wait(progress=seen.append, timeout=60) for job in jobs))
            assert {one.data["lineage"]["weights_sha256"] for one in models} == {
                model.data["lineage"]["weights_sha256"]
            }
            assert max(now.epoch for now in seen) > 30
            labels, shares, path = await asyncio.gather(
                models[0].predict(frame),
                models[1].predict_proba(frame),
                models[2].export(tmp_path / "m.safetensors"),
            )
            assert labels.to_list() == [answer["label"] for answer in answers]
            assert shares.rows() == [tuple(answer["probabilities"].values()) for answer in answers]
            back = await client.models.import_file(path, "async")
            assert [one.id async for one in client.models.list(name="async")] == [back.id]
            await back.delete()
            with pytest.raises(NotFound):
                await client.models.get("async")

    asyncio.run(everything())


def test_keys(tmp_path):
    running = Running(tmp_path / "data")
    try:
        _, header = bearer(running.data, "anna", "read")
        key = header["Authorization"].removeprefix("Bearer ")
        with Client(running.url, key) as client:
            assert list(client.models) == []
        with Client(running.url, "bpd_wrong") as client, pytest.raises(Unauthorized):
            client.datasets.get("ds_1")
    finally:
        running.close()


def test_a_running_forecast_is_asked_with_a_frame(client, service):
    days = [f"2024-01-{day:02}" for day in range(1, 31)]
    frame = pl.DataFrame(
        {"sales": range(60), "shop": ["a"] * 30 + ["b"] * 30, "day": days * 2, "price": [1.5, 2.5] * 30}
    )
    series = {"time": "day", "group": "shop", "window": 4, "horizon": 1}
    endless = {"epochs": 100_000, "early_stopping": None}
    job = client.train(frame, "sales", series=series, training=endless)
    service.until_epoch(job.id)
    job.pause()
    service.until(job.id, "paused")
    answers = job.answers(frame.drop("price").with_columns(price=pl.lit(2.0)))
    assert [answer["group"] for answer in answers] == ["a", "b"]
    assert all(answer["after"].startswith("2024-01-30") for answer in answers)
    job.cancel()
