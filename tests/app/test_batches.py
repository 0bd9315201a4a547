"""Batch predictions: what is refused, what the table of answers looks like, and what becomes of their files."""

import os
import time
from io import BytesIO

import numpy as np
import polars as pl
import pytest
from hand_made import ROWS, keep, make
from hand_made_jobs import claim

from app.backup.snapshot import named_files
from app.batches.answer_table import answer_table, for_csv
from app.batches.neutral import neutral
from app.batches.parts import Parts
from app.batches.schemas import BatchRequest
from app.batches.store import BatchFileRow
from app.batches.success import success
from app.batches.suitability import check_model
from app.batches.work import tidy
from app.problems import Invalid
from app.storage import DAY
from app.sweep import sweep


@pytest.fixture
def ready(service):
    """A model and a data set that suits it."""
    keep(service.context, make())
    return service, service.upload(pl.DataFrame(ROWS).write_csv().encode())["id"]


def launch(ready, status=202, ref="penguins", **request):
    service, dataset = ready
    answer = service.client.post(
        f"/v1/models/{ref}/batch-predictions", json={"dataset_id": dataset} | request
    )
    assert answer.status_code == status, answer.text
    return answer.json()


def finish(service, *, size, most=None):
    """What a worker does with the batch prediction that waits."""
    database, storage = service.context.database, service.context.storage
    job = claim(database)
    file = storage.batch(job.id, job.request["format"])
    file.write_bytes(b"x" * size)
    done = {"format": job.request["format"], "rows": 5, "bytes": size, "sha256": "0" * 64}
    with database.write() as session:
        success(most)(session, storage, job, done)
    return file


@pytest.mark.parametrize(
    ("change", "pointer", "says"),
    [
        ({"dataset_id": "ds_0"}, "/dataset_id", "no data set ds_0"),
        ({"columns": ["bill", "x"]}, "/columns/1", "no column 'x'"),
        ({"columns": ["bill", "bill"]}, "/columns", "twice"),
        ({"format": "xlsx"}, "/format", "'parquet' or 'csv'"),
        ({"interval": 1}, "/interval", "less than 1"),
        ({"interval": 0.9}, "/interval", "no calibration rows"),
        ({"threshold": 0.5}, "/threshold", "this model is multiclass"),
        ({"explain": "shapley"}, "/explain", "unknown field"),
    ],
)
def test_what_is_refused(ready, change, pointer, says):
    [error] = launch(ready, 422, **change)["errors"]
    assert error["pointer"] == pointer
    assert says in error["detail"]
    assert ready[0].client.get("/v1/batch-predictions").json()["items"] == []


def test_csv_has_no_place_for_arrays(ready):
    service, _ = ready
    picture = pl.Series("picture", np.zeros((len(ROWS), 3), np.float32))
    file = BytesIO()
    pl.DataFrame(ROWS).with_columns(picture).write_parquet(file)
    dataset = service.upload(file.getvalue(), "application/vnd.apache.parquet")["id"]
    answer = launch(ready, 422, dataset_id=dataset, format="csv", columns=["picture"])
    assert answer["errors"][0]["pointer"] == "/columns/0"
    launch(ready, dataset_id=dataset, format="parquet", columns=["picture"])


@pytest.mark.parametrize("format_", ["parquet", "csv"])
def test_a_folder_may_have_any_name(tmp_path, format_):
    odd, table = tmp_path / "some [letters]*", tmp_path / "table"
    odd.mkdir()
    table.touch()
    parts = Parts(odd / "parts", table)
    for i in range(3):
        parts.add(pl.DataFrame({"a": [i]}), odd)
    data = BytesIO(parts.joined(odd, format_).read_bytes())
    assert (pl.read_csv if format_ == "csv" else pl.read_parquet)(data)["a"].to_list() == [0, 1, 2]


def test_a_data_set_without_a_feature_is_refused(ready):
    service, _ = ready
    without = service.upload(b"island,sex\nDream,male\nBiscoe,female\n")["id"]
    assert "no column 'bill'" in launch(ready, 422, dataset_id=without)["detail"]
    launch(ready, 404, ref="nobody")


def test_the_same_key_queues_one(ready):
    service, dataset = ready
    answers = [
        service.client.post(
            "/v1/models/penguins/batch-predictions",
            json={"dataset_id": dataset},
            headers={"Idempotency-Key": "once"},
        )
        for _ in range(2)
    ]
    assert answers[0].json() == answers[1].json()
    assert len(service.client.get("/v1/batch-predictions").json()["items"]) == 1


def test_a_file_is_kept_as_long_as_it_is_named(ready):
    service, _ = ready
    database, storage = service.context.database, service.context.storage
    batch = launch(ready)["id"]
    file = finish(service, size=1000)
    with database.read() as session:
        assert file in set(named_files(session.connection(), storage))
    orphan = storage.batch("bat_gone", "csv")
    orphan.write_bytes(b"x")
    for path in (file, orphan):
        os.utime(path, (time.time() - 2 * DAY,) * 2)
    sweep(database, storage)
    assert [file.exists(), orphan.exists()] == [True, False]
    answer = service.client.get(f"/v1/batch-predictions/{batch}/result")
    assert (answer.status_code, len(answer.content)) == (200, 1000)
    assert answer.headers["content-disposition"] == f'attachment; filename="{batch}.parquet"'
    assert service.client.delete(f"/v1/batch-predictions/{batch}").status_code == 204
    assert not file.exists()
    with database.read() as session:
        assert session.get(BatchFileRow, batch) is None


def test_parts_outlive_an_attempt_up_to_where_one_is_missing(tmp_path):
    table, folder = tmp_path / "table", tmp_path / "parts"
    table.write_bytes(b"the table")
    parts = Parts(folder, table)
    for first in (0, 2, 4):
        parts.add(pl.DataFrame({"row": [first, first + 1]}), tmp_path)
    table.unlink()  # another table comes in its place; the parts go on being of the first
    table.write_bytes(b"another table")
    again = Parts(folder, table)
    assert (again.rows, again.done, again.table.read_bytes()) == (6, parts.done, b"the table")
    assert pl.read_parquet([part.path for part in again.done])["row"].to_list() == list(range(6))
    parts.done[1].path.unlink()
    assert Parts(folder, table).done == parts.done[:1]


def test_parts_are_kept_as_long_as_an_attempt_may_come(ready):
    service, _ = ready
    database, storage = service.context.database, service.context.storage

    def with_parts(batch):
        folder = storage.parts_of(batch)
        folder.mkdir()
        os.utime(folder, (time.time() - 2 * DAY,) * 2)
        return folder

    finished = with_parts(launch(ready)["id"])
    finish(service, size=1)
    waits, cancelled = (with_parts(launch(ready)["id"]) for _ in range(2))
    sweep(database, storage)
    assert [path.exists() for path in (finished, waits, cancelled)] == [False, True, True]
    tidy(database, storage, waits.name)
    assert waits.exists()
    assert service.client.post(f"/v1/batch-predictions/{cancelled.name}/cancel").status_code == 200
    assert [path.exists() for path in (waits, cancelled)] == [True, False]


@pytest.mark.parametrize(("most", "status"), [(10_000_000, "succeeded"), (20_000, "failed")])
def test_a_file_counts_against_its_owners_space(ready, most, status):
    service, _ = ready
    launch(ready, format="csv")
    file = finish(service, size=20_000, most=most)
    [shown] = service.client.get("/v1/batch-predictions").json()["items"]
    assert (shown["status"], file.exists()) == (status, status == "succeeded")
    assert (shown["error"] or {"code": None})["code"] == (None if status == "succeeded" else "storage_quota")


def test_a_table_has_the_same_columns_for_every_part():
    def part(low, warnings, contributions):
        prediction = {
            "value": 1.5,
            "interval": {"coverage": 0.9, "low": low, "high": None},
            "contributions": contributions,
            "warnings": warnings,
        }
        return answer_table(7, [prediction], [pl.Series("a", ["=x"])], pl.String())

    first, second = part(None, [], {"b": 1.0}), part(0.5, ["odd"], {"c": 2.0})
    assert first.schema == second.schema
    assert second.to_dicts() == [
        {
            "row": 7,
            "input.a": "=x",
            "value": 1.5,
            "interval.coverage": 0.9,
            "interval.low": 0.5,
            "interval.high": None,
            "contributions": '{"c": 2.0}',
            "warnings": ["odd"],
        }
    ]
    assert for_csv(second).row(0) == (7, "'=x", 1.5, 0.9, 0.5, None, '{"c": 2.0}', '["odd"]')


@pytest.mark.parametrize(
    ("text", "safe"),
    [
        ("=1+1", "'=1+1"),
        ("+cmd|' /C calc'!A0", "'+cmd|' /C calc'!A0"),
        ("@SUM(1)", "'@SUM(1)"),
        ("\t=1", "'\t=1"),
    ]
    + [(text, text) for text in ("-1.5", "+3e8", "", "a=b", "Adelie", "'=1")],
)
def test_formulas_are_neutral(text, safe):
    assert neutral(text) == safe


def test_a_forecast_of_series_is_refused():
    model = make()
    model.windows = object()
    with pytest.raises(Invalid, match="one answer a series"):
        check_model(model, BatchRequest(dataset_id="ds_0"))
