"""Predictions over whole data sets, by a real worker: equal to those of `predict`, through kills, within bounds."""

import hashlib
import io
import json
import os
import signal
import sys
from pathlib import Path

import polars as pl
import pytest
from serving import Running

sys.path.append(str(Path(__file__).parents[1] / "app"))
from hand_made import FEATURES, ROWS, make
from receiver import receiver

pytestmark = pytest.mark.slow

N = 25_000  # rows: three parts


@pytest.fixture(scope="module")
def table():
    frame = pl.DataFrame(ROWS * (N // len(ROWS)))
    unseen = pl.when(pl.int_range(pl.len()) % 7 == 3).then(pl.lit("Elsewhere")).otherwise("island")
    return frame.with_columns(
        id=pl.int_range(pl.len()),
        bill=pl.col("bill") + pl.int_range(pl.len()) % 11,
        island=unseen,
        note=pl.lit("=1+1"),
    )


def imported(service, task, name):
    answer = service.client.post(
        "/v1/models/import",
        params={"name": name},
        content=make(task).to_bytes(),
        headers={"Content-Type": "application/octet-stream"},
    )
    assert answer.status_code == 201, answer.text
    return name


@pytest.fixture(scope="module")
def service(tmp_path_factory, table):
    running = Running(tmp_path_factory.mktemp("batches") / "data", webhook_allowed_hosts="127.0.0.1")
    running.dataset_id = running.upload(table.write_csv().encode())
    for task in ("multiclass", "binary", "multilabel", "regression", "several", "autoencoding"):
        imported(running, task, task)
    yield running
    running.close()


def launch(service, model, **request):
    body = {"dataset_id": service.dataset_id} | request
    answer = service.client.post(f"/v1/models/{model}/batch-predictions", json=body)
    assert answer.status_code == 202, answer.text
    assert answer.headers["Location"] == f"/v1/batch-predictions/{answer.json()['id']}"
    return answer.json()["id"]


def show(service, batch_id):
    return service.client.get(f"/v1/batch-predictions/{batch_id}").json()


def ended(service, batch_id):
    def look():
        shown = show(service, batch_id)
        return shown if shown["status"] in {"succeeded", "failed", "cancelled"} else None

    return service.wait(look)


def result(service, batch_id):
    shown = ended(service, batch_id)
    assert shown["status"] == "succeeded", shown["error"]
    answer = service.client.get(shown["result"]["path"])
    assert answer.status_code == 200
    assert len(answer.content) == shown["result"]["bytes"] == int(answer.headers["Content-Length"])
    assert hashlib.sha256(answer.content).hexdigest() == shown["result"]["sha256"]
    assert shown["result"]["rows"] == N
    return answer


def flat(value, name=""):
    """An answer as a file's columns have it."""
    if isinstance(value, dict):
        return {
            key: each for inner, part in value.items() for key, each in flat(part, f"{name}.{inner}").items()
        }
    return {name.removeprefix("."): value}


@pytest.mark.parametrize(
    "model", ["multiclass", "binary", "multilabel", "regression", "several", "autoencoding"]
)
def test_the_answers_are_those_of_predict(service, table, model):
    answers = pl.read_parquet(io.BytesIO(result(service, launch(service, model, columns=["id"])).content))
    assert answers["row"].to_list() == answers["input.id"].to_list() == list(range(N))
    some = [*range(60), *range(9_990, 10_010), N - 1]
    records = table[some].select(FEATURES).to_dicts()
    predicted = service.client.post(f"/v1/models/{model}/predict", json={"records": records}).json()
    for row, prediction in zip(some, predicted["predictions"], strict=True):
        found = answers.row(row, named=True)
        contributions = prediction.pop("contributions", None)
        assert json.loads(found.pop("contributions", "null")) == contributions
        assert {name: found[name] for name in flat(prediction)} == flat(prediction), row
        assert found.keys() == flat(prediction).keys() | {"row", "input.id"}


def test_a_threshold_decides_as_in_predict(service, table):
    answers = pl.read_parquet(io.BytesIO(result(service, launch(service, "binary", threshold=0.9)).content))
    records = table[:50].select(FEATURES).to_dicts()
    answer = service.client.post("/v1/models/binary/predict?threshold=0.9", json={"records": records})
    assert answers["label"][:50].to_list() == [each["label"] for each in answer.json()["predictions"]]


def test_its_end_is_told(service):
    """By a real worker, to a real receiver."""
    with receiver() as listening:
        body = {"url": listening.url, "events": ["batch_prediction.succeeded"]}
        hook = service.client.post("/v1/webhooks", json=body).json()
        batch_id = launch(service, "binary")
        service.wait(lambda: listening.received)
        [told] = listening.verified(hook["secret"])
        assert (told["type"], told["data"]["id"]) == ("batch_prediction.succeeded", batch_id)
        service.client.delete(f"/v1/webhooks/{hook['id']}")


def test_csv_holds_the_same_and_no_formulas(service):
    answer = result(service, launch(service, "multiclass", format="csv", columns=["note"]))
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    told = pl.read_csv(io.BytesIO(answer.content))
    parquet = pl.read_parquet(io.BytesIO(result(service, launch(service, "multiclass")).content))
    assert told["label"].to_list() == parquet["label"].to_list()
    assert [json.loads(text) for text in told["warnings"]] == parquet["warnings"].to_list()
    assert set(told["input.note"]) == {"'=1+1"}
    probabilities = [name for name in parquet.columns if name.startswith("probabilities.")]
    assert told[probabilities].equals(parquet[probabilities])


def children_of(pid):
    """Pids of the processes below one."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[1]) == pid:
            child = int(stat.parent.name)
            found += [child, *children_of(child)]
    return found


def test_kills_cost_time_alone(tmp_path, table):
    """A process that dies in its third part, then a worker that is killed: the file is the undisturbed one."""
    with_kills = Running(
        tmp_path / "data", failpoints="before-part@3:kill", lease_seconds=2, heartbeat_seconds=0.5
    )
    try:
        with_kills.dataset_id = with_kills.upload(table.write_csv().encode())
        imported(with_kills, "multiclass", "m")
        first = launch(with_kills, "m")
        shown = ended(with_kills, first)
        assert (shown["status"], shown["attempt"]) == ("succeeded", 2), shown
        second = launch(with_kills, "m")
        with_kills.wait(lambda: show(with_kills, second)["status"] == "running")
        [worker] = [
            pid
            for pid in children_of(with_kills.process.pid)
            if b"worker" in Path(f"/proc/{pid}/cmdline").read_bytes()
        ]
        os.kill(worker, signal.SIGKILL)
        files = [result(with_kills, batch_id).content for batch_id in (first, second)]
        assert pl.read_parquet(io.BytesIO(files[0])).equals(pl.read_parquet(io.BytesIO(files[1])))
        folders = [with_kills.data / "predictions" / batch_id for batch_id in (first, second)]
        with_kills.wait(lambda: not any(folder.exists() for folder in folders))  # they go after the processes
        names = {path.name for path in (with_kills.data / "predictions").iterdir()}
        assert names == {f"{first}.parquet", f"{second}.parquet"}
        for batch_id in (first, second):
            assert with_kills.client.delete(f"/v1/batch-predictions/{batch_id}").status_code == 204
        assert list((with_kills.data / "predictions").iterdir()) == []
    finally:
        with_kills.close()


def test_an_attempt_goes_on_after_the_one_before(tmp_path, table):
    """Each process dies before its second part, and three deaths would be too many: so no part is answered twice."""
    dying = Running(tmp_path / "data", failpoints="before-part@2:kill", once=False)
    try:
        dying.dataset_id = dying.upload(table.write_csv().encode())
        imported(dying, "multiclass", "m")
        batch_id = launch(dying, "m", format="csv")
        told = pl.read_csv(io.BytesIO(result(dying, batch_id).content))
        assert told["row"].to_list() == list(range(N))
        assert show(dying, batch_id)["attempt"] == 3
        dying.wait(lambda: not (dying.data / "predictions" / batch_id).exists())  # it goes after the process
        assert [path.name for path in (dying.data / "predictions").iterdir()] == [f"{batch_id}.csv"]
    finally:
        dying.close()


def test_what_is_in_use_stays_and_cancelling_ends_it(service):
    big = service.upload(b"island,bill,sex\n" + b"Dream,40,male\n" * 400_000)
    answer = service.client.post("/v1/models/multiclass/batch-predictions", json={"dataset_id": big})
    batch_id = answer.json()["id"]
    service.wait(lambda: (show(service, batch_id)["progress"] or {}).get("rows"))
    progress = show(service, batch_id)["progress"]
    assert 0 < progress["fraction"] < 1
    for path in (f"/v1/datasets/{big}", "/v1/models/multiclass", f"/v1/batch-predictions/{batch_id}"):
        assert service.client.delete(path).status_code == 409, path
    assert service.client.get(f"/v1/batch-predictions/{batch_id}/result").status_code == 409
    assert service.client.get(f"/v1/jobs/{batch_id}").status_code == 404  # it is no training
    assert service.client.get("/v1/jobs").json()["items"] == []
    assert service.client.get("/v1/batch-predictions").json()["items"][0]["id"] == batch_id
    assert service.client.post(f"/v1/batch-predictions/{batch_id}/cancel").status_code == 200
    assert ended(service, batch_id)["status"] == "cancelled"
    service.wait(lambda: not (service.data / "predictions" / batch_id).exists())
    assert "Traceback" not in Path(service.log.name).read_text()
    for path in (f"/v1/datasets/{big}", f"/v1/batch-predictions/{batch_id}"):
        assert service.client.delete(path).status_code == 204, path
