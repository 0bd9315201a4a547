"""Data sets over HTTP: lists, rows, changes, deletion."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import polars as pl
import pytest
from sqlalchemy import JSON
from tiny_table import CSV, FILES, RECORDS, assert_problem, rows_of, types_of

from app.database import now
from app.jobs.store import JobInputRow, JobRow


@pytest.fixture(scope="module")
def service(start_service, tmp_path_factory) -> Iterator[Any]:
    """One service for the whole module."""
    with start_service(tmp_path_factory.mktemp("datasets")) as running:
        yield running


def test_list_is_light_and_filtered(service) -> None:
    ids = [service.upload(FILES[CSV], name="of the list")["id"] for _ in range(3)]
    assert service.client.patch(f"/v1/datasets/{ids[1]}", json={"tags": ["gold"]}).status_code == 200
    page = service.client.get("/v1/datasets", params={"name": "of the list", "limit": 2}).json()
    assert [item["id"] for item in page["items"]] == [ids[2], ids[1]]
    assert {"columns", "warnings"}.isdisjoint(page["items"][0])
    rest = service.client.get(
        "/v1/datasets", params={"name": "of the list", "cursor": page["next_cursor"]}
    ).json()
    assert ([item["id"] for item in rest["items"]], rest["next_cursor"]) == ([ids[0]], None)
    tagged = service.client.get("/v1/datasets", params={"tag": "gold"}).json()["items"]
    assert [item["id"] for item in tagged] == [ids[1]]


def test_rows_in_pages(service) -> None:
    dataset = service.upload(FILES[CSV])
    path = f"/v1/datasets/{dataset['id']}/rows"
    first = service.client.get(path, params={"limit": 3}).json()
    assert (first["items"], first["next_cursor"]) == (RECORDS[:3], "3")
    last = service.client.get(path, params={"limit": 3, "cursor": "3"}).json()
    assert (last["items"], last["next_cursor"]) == (RECORDS[3:], None)
    beyond = service.client.get(path, params={"cursor": "9" * 18}).json()
    assert beyond == {"items": [], "next_cursor": None}
    assert service.client.get(path, params={"cursor": "-1"}).status_code == 422
    assert service.client.get("/v1/datasets/ds_missing/rows").status_code == 404


def test_change_of_type_profiles_anew(service) -> None:
    dataset = service.upload_penguins()
    path = f"/v1/datasets/{dataset['id']}"
    changes = {"name": "birds", "columns": [{"name": "year", "type": "categorical"}]}
    changed = service.client.patch(path, json=changes).json()
    assert changed["name"] == "birds"
    assert changed["columns"][-1]["type"] == "categorical"
    assert changed["columns"][-1]["top"][0] == {"value": "2009", "count": 120}
    assert changed["columns"][:-1] == dataset["columns"][:-1]
    assert service.client.get(path).json() == changed
    assert rows_of(service, dataset["id"])[0]["year"] == "2007"
    back = service.client.patch(path, json={"columns": [{"name": "year", "type": "numeric"}]}).json()
    assert back["columns"] == dataset["columns"]


CHANGES = {
    "impossible type": (
        {"columns": [{"name": "whole", "type": "numeric"}, {"name": "word", "type": "numeric"}]},
        "/columns/1",
        "'a' in row 1 is not a number",
    ),
    "no such column": (
        {"columns": [{"name": "x", "type": "numeric"}]},
        "/columns/0",
        "there is no column 'x'",
    ),
    "no such type": ({"columns": [{"name": "word", "type": "colour"}]}, "/columns/0/type", "Input should be"),
    "column twice": (
        {"columns": [{"name": "word", "type": "text"}] * 2},
        "/columns",
        "a column may be named only once",
    ),
    "empty name": ({"name": ""}, "/name", "at least 1 character"),
    "wrong type": ({"name": 3}, "/name", "valid string"),
    "unknown field": ({"nom": "x"}, "/nom", "unknown field"),
    "control character in a tag": ({"tags": ["a\nb"]}, "/tags/0", "control characters"),
}


@pytest.mark.parametrize(("changes", "pointer", "sentence"), CHANGES.values(), ids=CHANGES)
def test_refused_change(service, changes: dict[str, Any], pointer: str, sentence: str) -> None:
    dataset = service.upload(FILES[CSV])
    path = f"/v1/datasets/{dataset['id']}"
    before = service.files()
    problem = assert_problem(service.client.patch(path, json=changes), 422, "invalid", sentence)
    assert problem["errors"][0]["pointer"] == pointer
    assert service.client.get(path).json() == dataset
    assert (rows_of(service, dataset["id"]), service.files()) == (RECORDS, before)


def test_two_changes_at_once(service) -> None:
    dataset = service.upload(FILES[CSV])
    path = f"/v1/datasets/{dataset['id']}"
    with ThreadPoolExecutor(2) as pool:
        changes = [{"columns": [{"name": name, "type": "categorical"}]} for name in ("whole", "number")]
        answers = list(pool.map(lambda change: service.client.patch(path, json=change), changes))
    statuses = sorted(answer.status_code for answer in answers)
    assert statuses in ([200, 200], [200, 409])
    row = rows_of(service, dataset["id"])[0]
    types = types_of(service.client.get(path).json())
    for name in ("whole", "number"):
        assert isinstance(row[name], str) == (types[name] == "categorical")


def test_a_table_that_is_gone_is_not_found(service) -> None:
    dataset = service.upload(FILES[CSV])
    path = f"/v1/datasets/{dataset['id']}"
    service.context.storage.dataset(dataset["id"]).unlink()
    assert_problem(service.client.get(f"{path}/rows"), 404, "not_found", "deleted a moment ago")
    change = {"columns": [{"name": "whole", "type": "categorical"}]}
    assert_problem(service.client.patch(path, json=change), 404, "not_found", "deleted a moment ago")


def test_a_reader_keeps_the_table_that_it_opened(service) -> None:
    dataset = service.upload(FILES[CSV])
    with service.context.storage.dataset(dataset["id"]).open("rb") as opened:
        changes = {"columns": [{"name": "whole", "type": "categorical"}]}
        assert service.client.patch(f"/v1/datasets/{dataset['id']}", json=changes).status_code == 200
        assert pl.read_ipc(opened).to_dicts() == RECORDS


def test_delete(service) -> None:
    dataset = service.upload(FILES[CSV])
    path = f"/v1/datasets/{dataset['id']}"
    assert service.client.delete(path).status_code == 204
    assert not service.context.storage.dataset(dataset["id"]).exists()
    assert_problem(service.client.get(path), 404, "not_found", f"there is no data set {dataset['id']}")
    assert_problem(service.client.delete(path), 404, "not_found", dataset["id"])
    assert_problem(service.client.patch(path, json={"name": "x"}), 404, "not_found", dataset["id"])


def test_delete_waits_for_unfinished_jobs(service) -> None:
    dataset = service.upload(FILES[CSV])
    path = f"/v1/datasets/{dataset['id']}"
    database = service.context.database
    with database.write() as session:
        session.add(JobRow(**job_row(dataset["id"])))
        session.flush()
        session.add(JobInputRow(job_id="job_1", dataset_id=dataset["id"]))
    assert_problem(service.client.delete(path), 409, "conflict", "still in use by a job")
    assert rows_of(service, dataset["id"]) == RECORDS
    with database.write() as session:  # as the job's end does
        session.delete(session.get(JobInputRow, ("job_1", dataset["id"])))
    assert service.client.delete(path).status_code == 204
    with database.read() as session:
        assert session.get(JobRow, "job_1").dataset_id is None


def job_row(dataset_id: str) -> dict[str, Any]:
    """A job's row with nothing in it but what the table asks for."""
    filled: dict[str, Any] = {}
    for column in JobRow.__table__.columns:
        if not column.nullable:
            kind = dict if isinstance(column.type, JSON) else column.type.python_type
            filled[column.name] = now() if column.name == "created_at" else kind()
    return filled | {"id": "job_1", "status": "queued", "dataset_id": dataset_id}
