"""Foreign hosts and origins are refused."""

import socket

import pytest

from app.hosts import TrustedHosts, _name


@pytest.fixture(scope="module")
def service(start_service, tmp_path_factory):
    with start_service(tmp_path_factory.mktemp("hosts"), allowed_hosts="backpropd.example, Other") as running:
        yield running


def own(service):
    return service.url.removeprefix("http://")


@pytest.mark.parametrize(
    "host",
    [
        "localhost",
        "localhost:1",
        "LOCALHOST:8000",
        "localhost.",
        "127.0.0.1",
        "[::1]:8000",
        "backpropd.example",
        "other:9",
    ],
)
def test_own_hosts_are_answered(service, host):
    assert service.client.get("/healthz", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "localhost.evil.example",
        "evil.example:8000",
        "127.0.0.2",
        "[::2]",
        "::1:80:80",
        "",
        "localhost:x",
    ],
)
@pytest.mark.parametrize("path", ["/healthz", "/v1/networks", "/docs", "/nothing"])
def test_other_hosts_are_refused(service, host, path):
    response = service.client.get(path, headers={"Host": host})
    assert (response.status_code, response.headers["content-type"]) == (403, "application/problem+json")
    assert response.json()["type"] == "urn:backpropd:forbidden_host"


def test_no_host_is_refused(service):
    host, port = own(service).split(":")
    with socket.create_connection((host, int(port))) as client:
        client.sendall(b"GET /healthz HTTP/1.0\r\n\r\n")
        assert client.recv(100).startswith(b"HTTP/1.1 403")


def network(service, **headers):
    body = {"name": "n", "layers": [{"kind": "dense", "units": 1}]}
    return service.client.post("/v1/networks", json=body, headers=headers)


def test_requests_of_programs_and_of_own_pages_are_taken(service):
    assert network(service).status_code == 201
    assert network(service, Origin=service.url).status_code == 201
    assert network(service, Host="localhost:8000", Origin="https://LOCALHOST:8000").status_code == 201


@pytest.mark.parametrize(
    "origin",
    ["null", "http://evil.example", "http://localhost:3000", "http://127.0.0.1", "", "file://", "127.0.0.1"],
)
@pytest.mark.parametrize("method", ["POST", "PATCH", "PUT", "DELETE", "ANY"])
def test_changes_asked_for_by_other_pages_are_refused(service, origin, method):
    before = service.client.get("/v1/networks").json()
    response = service.client.request(method, "/v1/networks", headers={"Origin": origin})
    assert (response.status_code, response.json()["type"]) == (403, "urn:backpropd:forbidden_origin")
    assert service.client.get("/v1/networks").json() == before


def test_other_pages_may_ask_but_not_read(service):
    response = service.client.get("/v1/networks", headers={"Origin": "http://evil.example"})
    assert response.status_code == 200
    assert "access-control-allow-origin" not in response.headers


@pytest.mark.parametrize(
    ("host", "name"),
    [("A.b:80", "a.b"), ("[::1]", "::1"), ("::1", "::1"), ("[::1]:80", "::1"), ("a.", "a"), ("a:b", "a:b")],
)
def test_names(host, name):
    assert _name(host) == name


def test_several_host_headers_are_refused():
    scope = {"type": "http", "method": "GET", "path": "/", "headers": [(b"host", b"localhost")] * 2}
    assert TrustedHosts(lambda *_: None, frozenset({"localhost"}))._problem(scope) is not None
