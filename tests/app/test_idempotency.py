"""A POST that is sent twice with one key creates once."""

import json
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import func, select

from app.database import now
from app.datasets.store import DatasetRow
from app.idempotency import KEPT, StoredAnswer
from app.networks.store import NetworkRow

KEY = {"Idempotency-Key": "one"}
BODY = {"name": "n", "layers": [{"kind": "dense", "units": 2}]}
CSV = {"Content-Type": "text/csv"}


def count(service, table):
    with service.context.database.read() as session:
        return session.scalar(select(func.count()).select_from(table))


def post(service, **more):
    return service.client.post("/v1/networks", **({"json": BODY, "headers": KEY} | more))


def same(first, second):
    return (first.status_code, first.content, first.headers["location"]) == (
        second.status_code,
        second.content,
        second.headers["location"],
    )


def test_the_same_request_is_answered_alike(service):
    assert same(post(service), post(service))
    assert count(service, NetworkRow) == 1


def test_without_a_key_or_with_another_each_request_creates(service):
    ids = {
        post(service, headers=headers).json()["id"] for headers in ({}, {}, KEY, {"Idempotency-Key": "two"})
    }
    assert len(ids) == count(service, NetworkRow) == 4


def test_another_body_is_refused(service):
    assert post(service).status_code == 201
    response = post(service, json=BODY | {"name": "m"})
    assert (response.status_code, response.json()["type"]) == (422, "urn:backpropd:invalid")
    assert "Idempotency-Key" in response.json()["detail"]
    assert count(service, NetworkRow) == 1


def test_json_by_another_name_is_compared_too(service):
    headers = KEY | {"Content-Type": "application/vnd.api+json"}
    first, second = (
        post(service, json=None, content=json.dumps(BODY | {"name": name}), headers=headers) for name in "ab"
    )
    assert (first.status_code, second.status_code) == (201, 422)


def test_an_error_is_not_kept(service):
    assert post(service, json={"name": "n"}).status_code == 422
    assert post(service).status_code == 201


@pytest.mark.parametrize("key", ["", "x" * 256])
def test_a_key_has_1_to_255_characters(service, key):
    assert post(service, headers={"Idempotency-Key": key}).status_code == 422


def test_keys_are_kept_for_a_day(service):
    first = post(service).json()["id"]
    with service.context.database.write() as session:
        stored = session.scalars(select(StoredAnswer)).one()
        stored.created_at = now() - KEPT
    assert post(service).json()["id"] != first
    assert count(service, StoredAnswer) == 1


def test_fifty_at_once_create_one(service):
    with ThreadPoolExecutor(50) as pool:
        answers = list(pool.map(lambda _: post(service), range(50)))
    assert all(same(answer, answers[0]) for answer in answers)
    assert answers[0].status_code == 201
    assert count(service, NetworkRow) == 1


def upload(service, data=b"a,b\n1,2\n", **more):
    return service.client.post("/v1/datasets", content=data, **({"headers": KEY | CSV} | more))


def test_uploads_at_once_create_one_row_and_one_file(service):
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: upload(service), range(8)))
    assert answers[0].status_code == 201
    assert all(same(answer, answers[0]) for answer in answers)
    assert count(service, DatasetRow) == 1
    assert service.files() == [f"datasets/{answers[0].json()['id']}.arrow"]


@pytest.mark.parametrize(
    "more",
    [
        {"data": b"a,b\n1,3\n"},
        {"params": {"name": "x"}},
        {"headers": KEY | {"Content-Type": "text/tab-separated-values"}},
    ],
    ids=["bytes", "name", "format"],
)
def test_another_upload_is_refused(service, more):
    assert upload(service).status_code == 201
    assert upload(service, **more).status_code == 422
    assert count(service, DatasetRow) == 1


def test_a_json_upload_is_streamed_and_compared(service):
    headers = KEY | {"Content-Type": "application/json"}
    assert same(
        upload(service, b'[{"a": 1}]', headers=headers), upload(service, b'[{"a": 1}]', headers=headers)
    )
    assert upload(service, b'[{"a": 2}]', headers=headers).status_code == 422
