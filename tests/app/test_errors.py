"""Every error is an RFC 9457 problem."""

import socket
import time

import anyio
import httpx
import pytest
from fastapi import FastAPI

from app import errors

SHAPE = {"type", "title", "status", "detail", "instance", "errors"}


@pytest.mark.parametrize(
    ("method", "path", "status", "code", "title"),
    [
        ("GET", "/v1/nothing", 404, "not_found", "Not Found"),
        ("GET", "/v1/networks/net_x", 404, "not_found", "Not Found"),
        ("GET", "/v1/networks/..%2f..%2fetc%2fpasswd", 404, "not_found", "Not Found"),
        ("GET", "/v1/datasets/%00%ff", 422, "invalid", "Unprocessable"),
        ("GET", "/v1/models?tag=a%00", 422, "invalid", "Unprocessable"),
        ("PUT", "/v1/networks", 405, "method_not_allowed", "Method Not Allowed"),
        ("GET", "/v1/networks?limit=1000", 422, "invalid", "Unprocessable"),
        ("GET", "/v1/networks?limit=x", 422, "invalid", "Unprocessable"),
        ("GET", "/v1/networks?cursor=%27--", 422, "invalid", "Unprocessable"),
    ],
)
def test_shape(service, method, path, status, code, title):
    response = service.client.request(method, path)
    assert response.headers["content-type"] == "application/problem+json"
    problem = response.json()
    assert set(problem) == SHAPE
    assert (response.status_code, problem["status"], problem["type"]) == (
        status,
        status,
        f"urn:backpropd:{code}",
    )
    assert problem["title"].startswith(title)
    assert problem["detail"]
    assert response.headers["x-request-id"].startswith("req_")
    assert status != 405 or "POST" in response.headers["allow"]


@pytest.mark.parametrize(
    ("path", "methods"),
    [("/v1/models/import", "POST"), ("/v1/models/a:predict", "POST"), ("/v1/models/a", "DELETE, GET, PATCH")],
)
def test_the_methods_are_those_of_the_path_that_is_meant(service, path, methods):
    response = service.client.request("OPTIONS", path)
    assert (response.status_code, response.headers["allow"]) == (405, methods)


def test_a_query_field_is_named(service):
    problem = service.client.get("/v1/networks?limit=0").json()
    assert problem["errors"] == [
        {"pointer": "/query/limit", "detail": "Input should be greater than or equal to 1"}
    ]


def test_a_bug_of_ours_tells_nothing():
    app = FastAPI()
    errors.install(app)

    @app.get("/bug")
    def bug():
        raise ZeroDivisionError("a secret")

    async def get():
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            return await client.get("/bug")

    response = anyio.run(get)
    assert (response.status_code, response.json()["type"]) == (500, "urn:backpropd:internal")
    assert "secret" not in response.text
    assert "ZeroDivisionError" not in response.text


def test_a_client_that_goes_away_in_an_upload_leaves_nothing(service, caplog):
    host, port = service.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port))) as client:
        head = "POST /v1/datasets HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/csv\r\nContent-Length: 99\r\n\r\n"
        client.sendall(head.encode() + b"a,b\n1,2\n")
        _wait_until(lambda: service.files() != [])
    _wait_until(lambda: service.files() == [])
    assert [record for record in caplog.records if record.levelname == "ERROR"] == []


def _wait_until(condition):
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)
