"""Every malformed body of a JSON route is a problem that says what is wrong, and nothing is kept of it."""

import re

import pytest

from app.strict_json import MAX_DEPTH, parse

JSON = "application/json"


@pytest.mark.parametrize(
    ("address", "name", "allowed"),
    [
        ("/v1/jobs?validate_onyl=true", "validate_onyl", "validate_only"),
        ("/v1/models/m/predict?treshold=0.9", "treshold", "columns, explain, interval, threshold, top"),
    ],
)
def test_a_query_parameter_that_is_not_known_is_refused(service, address, name, allowed) -> None:
    answer = service.client.post(address, json={})
    assert answer.status_code == 422, answer.text
    [error] = answer.json()["errors"]
    assert error["pointer"] == f"/query/{name}"
    assert error["detail"].endswith(f"allowed are {allowed}")


def network(value: str) -> bytes:
    return f'{{"name": "n", "layers": [{{"kind": "dense", "units": {value}}}]}}'.encode()


BODIES = {
    "nan": (network("NaN"), JSON, 422, "", "NaN is not JSON"),
    "infinity": (network("-Infinity"), JSON, 422, "", "-Infinity is not JSON"),
    "1e999": (network("1e999"), JSON, 422, "", "the number 1e999 is too large"),
    "400 digits": (network("9" * 400), JSON, 422, "", "a number of 400 digits is too long"),
    "5000 digits": (network("9" * 5000), JSON, 422, "", "a number of 5000 digits is too long"),
    "depth": (network("[" * 40 + "]" * 40), JSON, 422, "", "nested deeper than 32"),
    "depth without an end": (b"[" * 100_000, JSON, 422, "", "nested deeper than 32"),
    "open string full of escapes": (b'["' + b'\\"' * 400_000, JSON, 422, "", "not valid JSON"),
    "open string and brackets": (b'{"a": "' + b"[" * 400_000, JSON, 422, "", "not valid JSON"),
    "key twice": (b'{"name": "a", "name": "b", "layers": []}', JSON, 422, "", "the key 'name' occurs twice"),
    "half a surrogate": (b'{"name": "\\ud800", "layers": []}', JSON, 422, "", "half of a surrogate pair"),
    "not utf-8": (b'{"name": "\xff"}', JSON, 422, "", "not UTF-8"),
    "utf-16": ('{"name": "a"}'.encode("utf-16"), JSON, 422, "", "not UTF-8"),
    "broken": (b'{"name": ', JSON, 422, "", "not valid JSON"),
    "empty": (b"", JSON, 422, "", "Field required"),
    "null": (b"null", JSON, 422, "", ""),
    "a list": (b"[]", JSON, 422, "", ""),
    "wrong type": (network('"many"'), JSON, 422, "/layers/0/units", "valid integer"),
    "unknown field": (b'{"name": "n", "layer": []}', JSON, 422, "/layer", "unknown field"),
    "unknown field of a layer": (
        network('1, "unit": 2'),
        JSON,
        422,
        "/layers/0/unit",
        "unknown field",
    ),
    "unknown kind": (
        b'{"name": "n", "layers": [{"kind": "dens", "units": 1}]}',
        JSON,
        422,
        "/layers/0/kind",
        "'dense'",
    ),
    "over the limit": (network("1" + " " * (1 << 20)), JSON, 413, "", "larger than this route takes"),
    "no json": (b"name=n", "application/x-www-form-urlencoded", 415, "", "the body must be JSON"),
}


@pytest.fixture(scope="module")
def service(start_service, tmp_path_factory):
    with start_service(tmp_path_factory.mktemp("bodies")) as running:
        yield running


@pytest.mark.parametrize(("body", "media_type", "status", "pointer", "words"), BODIES.values(), ids=BODIES)
def test_a_bad_body_is_a_problem(service, body, media_type, status, pointer, words):
    response = service.client.post("/v1/networks", content=body, headers={"Content-Type": media_type})
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    problem = response.json()
    assert words in problem["detail"], problem
    if pointer:
        assert problem["errors"][0]["pointer"] == pointer
    assert not re.search(r"Traceback|site-packages|NaN,", response.text)
    assert service.client.get("/v1/networks").json()["items"] == []


def test_a_body_over_the_limit_without_a_length(service):
    body = (b" " * 65536 for _ in range(20))
    response = service.client.post("/v1/networks", content=body, headers={"Content-Type": JSON})
    assert (response.status_code, response.json()["type"]) == (413, "urn:backpropd:too_large")


def test_brackets_in_strings_are_no_depth():
    text = '["' + "[" * 100 + '\\"' + "{" * 100 + '", "]"]'
    assert parse(text) == ["[" * 100 + '"' + "{" * 100, "]"]


def test_the_depth_that_is_allowed():
    assert parse("[" * MAX_DEPTH + "]" * MAX_DEPTH)
    assert parse('["\\ud83d\\ude00"]') == ["😀"]
