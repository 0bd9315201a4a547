"""Deny by default: what needs a key, what a key permits, and when it ends."""

import re
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import timedelta

import pytest
from fastapi.routing import APIRoute, iter_route_contexts
from keyed import Keyed
from sqlalchemy import select
from starlette.responses import PlainTextResponse
from starlette.routing import Mount, Route

from app.access import access_of
from app.auth import tokens
from app.auth.store import KeyRow
from app.database import now

OPEN = {
    "/": {"GET", "HEAD"},
    "/docs": {"GET", "HEAD"},
    "/docs/start.js": {"GET", "HEAD"},
    "/docs/swagger-ui.css": {"GET", "HEAD"},
    "/docs/swagger-ui-bundle.js": {"GET", "HEAD"},
    "/openapi.json": {"GET", "HEAD"},
    "/healthz": {"GET"},
    "/readyz": {"GET"},
}
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND")
NETWORK = {"name": "n", "layers": [{"kind": "dense", "units": 2}]}


@pytest.fixture
def keyed(service):
    return Keyed(service)


@pytest.fixture(scope="module")
def shared(start_service, tmp_path_factory):
    """A service with a key of each scope, for tests that change none."""
    with start_service(tmp_path_factory.mktemp("shared"), rate_per_minute=0) as service:
        keyed = Keyed(service)
        yield keyed, {scope: keyed.key(scope=scope) for scope in ("read", "write", "admin")}


def routes(service):
    """Every route, mount included: its address with the parameters filled in, and its methods."""
    for route in iter_route_contexts(service.app.routes):
        yield re.sub(r"\{[^}]*\}", "x", route.path), route.methods or {"GET"}, route


def test_without_keys_everything_is_open(keyed):
    assert keyed.request("GET", "/v1/networks").status_code == 200
    assert keyed.request("POST", "/v1/networks", json=NETWORK).status_code == 201
    assert keyed.request("GET", "/v1/keys").json()["items"] == []


def test_with_a_key_every_route_and_method_needs_one(shared):
    keyed, _ = shared
    found = set()
    with keyed.client() as client:
        for path, _, route in routes(keyed.service):
            for method in METHODS:
                response = client.request(method, path, headers={"Origin": keyed.service.url})
                if method in OPEN.get(path, ()):
                    assert response.status_code in {200, 307, 503}, (method, path)
                    found.add(path)
                    continue
                assert response.status_code == 401, (method, path)
                assert response.headers["www-authenticate"] == "Bearer", (method, path)
                assert response.headers["content-type"] == "application/problem+json", (method, path)
            assert access_of(route.endpoint, "GET").scope is not None or path in OPEN
    assert found == OPEN.keys()


@pytest.mark.parametrize(
    "path",
    [
        "/nothing",
        "/v1",
        "/v1/networks/",
        "/healthz/",
        "/healthz/x",
        "/healthz;x",
        "/healthz%2f..%2fv1%2fnetworks",
        "/docs/../v1/networks",
        "/docs/%2e%2e/v1/networks",
        "/docs/start.js/x",
        "/HEALTHZ",
        "/v1/networks?x=/healthz",
        "/v1/networks#/healthz",
    ],
)
def test_other_addresses_need_one_too(shared, path):
    keyed, _ = shared
    with keyed.client() as client:
        assert client.get(path).status_code == 401


def test_a_route_that_nobody_thought_of_is_covered(keyed):
    app = keyed.service.app
    app.router.routes.append(Route("/new", lambda _: PlainTextResponse("secret"), methods=["GET", "POST"]))
    app.router.routes.append(Mount("/mounted", app=PlainTextResponse("secret")))

    @app.get("/newer")
    def newer():
        return "secret"

    key = keyed.key(scope="read")
    for path in ("/new", "/newer", "/mounted", "/mounted/below", "/mounted/healthz"):
        assert keyed.request("GET", path).status_code == 401, path
        assert keyed.get(key, path).text.strip('"') in {"secret", ""}, path
    assert keyed.request("POST", "/new", key).status_code == 403


def test_what_is_open_tells_nothing_of_data(shared):
    keyed, keys = shared
    keyed.request("POST", "/v1/networks", keys["write"], json=NETWORK | {"name": "confidential"})
    with keyed.client() as client:
        for path in OPEN:
            text = client.get(path).text
            assert "confidential" not in text
            assert keys["read"].id not in text
        assert client.get("/healthz").json() == {"status": "ok"}
        assert client.get("/readyz").json() == {"status": "unavailable"}


@pytest.mark.parametrize(
    "credentials",
    [
        "",
        "Bearer",
        "Bearer  x",
        "Bearer x",
        "Bearer bpd_",
        "Basic YWRhOng=",
        "Bearer bpd_{prefix}_{zeros}",
        "Bearer bpd_{prefix}_{secret}0",
        "Bearer BPD_{prefix}_{secret}",
        "Bearer bps_{prefix}_{secret}",
        "Bearer bpd_{zeros:.12}_{secret}",
        "Token bpd_{prefix}_{secret}",
        "bpd_{prefix}_{secret}",
        "Bearer bpd_{prefix}_{secret} x",
        "Bearer bpd_%_{secret}",
    ],
)
def test_what_is_no_key_is_refused(start_service, tmp_path, credentials):
    with start_service(tmp_path / "data") as service:
        keyed = Keyed(service)
        prefix, secret = keyed.key().key.split("_")[1:]
        sent = credentials.format(prefix=prefix, secret=secret, zeros="0" * 64)
        with keyed.client(Authorization=sent) as client:
            response = client.get("/v1/networks")
        assert response.status_code == 401
        assert response.headers["www-authenticate"].startswith("Bearer")
        assert secret not in response.text


def test_a_key_is_taken(shared):
    keyed, keys = shared
    for scheme in ("Bearer", "bearer", "BEARER"):
        with keyed.client(Authorization=f"{scheme} {keys['read'].key}") as client:
            assert client.get("/v1/networks").status_code == 200


SCOPES = ("read", "write", "admin")


def test_each_route_asks_for_its_scope(shared):
    """Every route with every scope: 403 exactly where the scope is too small."""
    keyed, keys = shared
    with ExitStack() as stack:
        clients = {scope: stack.enter_context(keyed.client(key)) for scope, key in keys.items()}
        asked = [
            (scope, client, method, path, access_of(route.endpoint, method).scope)
            for path, methods, route in routes(keyed.service)
            for method in (methods - {"HEAD"} if path not in OPEN else ())
            for scope, client in clients.items()
        ]
        for scope, client, method, path, needed in asked:
            response = client.request(method, path)
            too_small = SCOPES.index(scope) < SCOPES.index(needed)
            assert (response.status_code == 403) == too_small, (method, path, scope)
            if too_small:
                assert response.json()["type"] == "urn:backpropd:insufficient_scope"
                assert response.headers["www-authenticate"] == (
                    f'Bearer error="insufficient_scope", scope="{needed}"'
                )


def test_scopes_are_those_of_the_contract(shared):
    keyed, _ = shared
    needed = {
        (method, route.path): access_of(route.endpoint, method).scope
        for _, methods, route in routes(keyed.service)
        if isinstance(route.original_route, APIRoute)
        for method in methods
    }
    admin = {path for (_, path), scope in needed.items() if scope == "admin"}
    assert {"/v1/keys", "/v1/keys/{key_id}", "/v1/audit", "/metrics"} <= admin
    reading = {path for (method, path), scope in needed.items() if scope == "read" and method != "GET"}
    asking = {f"/v1/models/{{ref}}/{action}" for action in ("predict", "evaluate", "explain")}
    asking.add("/v1/jobs/{job_id}/predict")
    asking |= {f"/v2/models/{{name}}{version}/infer" for version in ("", "/versions/{version}")}
    asking |= {f"/v1/models/{{name}}{version}:predict" for version in ("", "/versions/{version}")}
    assert reading == {*asking, "/invocations", "/v1/session"}
    writing = {method for (method, _), scope in needed.items() if scope == "write"}
    assert "GET" not in writing


def test_a_revoked_key_is_refused_at_once(keyed):
    key, admin = keyed.key(), keyed.key(scope="admin")
    with keyed.client(key) as client:
        assert client.get("/v1/networks").status_code == 200
        assert keyed.request("DELETE", f"/v1/keys/{key.id}", admin).status_code == 204
        response = client.get("/v1/networks")
        assert (response.status_code, response.json()["detail"]) == (401, "this key was revoked")


def test_a_key_revoked_by_another_process_is_refused_at_once(keyed):
    key = keyed.key()
    assert keyed.get(key, "/v1/networks").status_code == 200
    keyed.revoke(key.id)  # past the service's routes, as another process does
    assert keyed.get(key, "/v1/networks").status_code == 401


def test_a_stream_ends_with_its_key(keyed):
    key = keyed.key()
    data = b"x,y\n" + b"".join(b"%d,%d\n" % (i, i % 2) for i in range(40))
    with keyed.client(key) as client:
        answer = client.post("/v1/datasets", content=data, headers={"Content-Type": "text/csv"})
        job = client.post("/v1/jobs", json={"dataset_id": answer.json()["id"], "target": "y"}).json()["id"]
        with client.stream("GET", f"/v1/jobs/{job}/events") as stream:
            lines = stream.iter_lines()
            assert next(lines) == "event: status"
            keyed.revoke(key.id)
            assert "event: done" not in list(lines)  # it ends, although the job has not


def test_the_service_stays_shut_when_the_last_key_is_revoked(keyed):
    keyed.revoke(keyed.key().id)
    assert keyed.request("GET", "/v1/networks").status_code == 401


def test_an_expired_key_is_refused(keyed):
    key = keyed.key(expires_at=now() + timedelta(hours=1))
    assert keyed.get(key, "/v1/networks").status_code == 200
    with keyed.database.write() as session:
        session.get(KeyRow, key.id).expires_at = now() - timedelta(seconds=1)
    response = keyed.get(key, "/v1/networks")
    assert response.status_code == 401
    assert "expired" in response.json()["detail"]


@pytest.mark.sqlite
def test_no_secret_is_kept(keyed):
    key = keyed.key()
    secret = key.key.rpartition("_")[2]
    assert re.fullmatch(r"bpd_[0-9a-f]{12}_[0-9a-f]{64}", key.key)
    keyed.get(key, "/v1/networks")
    data = b"".join(path.read_bytes() for path in keyed.service.context.storage.root.glob("backpropd.db*"))
    assert secret.encode() not in data
    assert tokens.read_token("bpd", key.key).sha256.encode() in data


def test_the_secret_is_compared_in_constant_time(keyed, monkeypatch):
    compared = []
    monkeypatch.setattr(
        tokens.secrets, "compare_digest", lambda *pair: compared.append(pair) or pair[0] == pair[1]
    )
    assert keyed.get(keyed.key(), "/v1/networks").status_code == 200
    assert len(compared) == 1


def test_the_use_of_a_key_is_noted_now_and_then(keyed):
    key = keyed.key()
    for _ in range(3):
        keyed.get(key, "/v1/networks")
    with keyed.database.read() as session:
        used = session.scalar(select(KeyRow.last_used_at).where(KeyRow.id == key.id))
    assert now() - used < timedelta(minutes=1)


def test_keys_are_noted_at_most_once_a_minute(keyed, monkeypatch):
    touched = []
    monkeypatch.setattr("app.auth.gate.touch", lambda _, key_id: touched.append(key_id))
    key = keyed.key()
    for _ in range(3):
        keyed.get(key, "/v1/networks")
    assert touched == [key.id]


@pytest.mark.sqlite
def test_a_locked_database_is_a_503(keyed, monkeypatch):
    keyed.key()
    monkeypatch.setattr("app.database.BUSY_SECONDS", 0)
    keyed.database.engine.dispose()
    with keyed.database.engine.connect() as other:
        other.exec_driver_sql("COMMIT")
        other.exec_driver_sql("BEGIN EXCLUSIVE")
        assert keyed.request("GET", "/v1/networks").status_code == 503
        assert keyed.request("GET", "/healthz").status_code == 200


@pytest.mark.sqlite
def test_the_document_waits_for_the_database_and_nobody_for_the_document(keyed, monkeypatch):
    monkeypatch.setattr("app.database.BUSY_SECONDS", 5)
    keyed.database.engine.dispose()
    with keyed.database.engine.connect() as other, ThreadPoolExecutor(1) as pool:
        other.exec_driver_sql("COMMIT")
        other.exec_driver_sql("BEGIN EXCLUSIVE")
        document = pool.submit(keyed.request, "GET", "/openapi.json")
        time.sleep(0.3)
        assert keyed.request("GET", "/healthz").status_code == 200
        assert not document.done()
        other.exec_driver_sql("ROLLBACK")
        assert document.result().status_code == 200


def test_the_document_says_what_each_operation_needs(keyed):
    def document():
        return keyed.request("GET", "/openapi.json").json()

    def of(path, method="get"):
        return document()["paths"][path][method]["security"]

    assert {} in of("/v1/networks")  # as long as there are no keys
    keyed.key()
    assert of("/healthz") == of("/readyz") == []
    assert of("/v1/networks") == [{"key": ["read"]}, {"page": ["read"]}]
    assert of("/v1/networks", "post") == [{"key": ["write"]}, {"page": ["write"]}]
    assert of("/v1/keys") == [{"key": ["admin"]}, {"page": ["admin"]}]
    found = document()
    assert found["components"]["securitySchemes"]["key"]["scheme"] == "bearer"
    for path, methods in found["paths"].items():
        for method, operation in methods.items():
            needs_one = bool(operation["security"])
            assert needs_one == (path not in OPEN), (method, path)
            assert ({"401", "403", "429"} <= operation["responses"].keys()) == needs_one, (method, path)


def test_a_body_is_not_waited_for(shared):
    """Without a key nobody can make the service read a gigabyte."""
    keyed, _ = shared
    host, port = keyed.service.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=30) as client:
        head = f"POST /v1/datasets HTTP/1.1\r\nHost: {host}\r\nContent-Type: text/csv\r\n"
        client.sendall(f"{head}Content-Length: 1000000000\r\n\r\na,b\n".encode())
        assert client.recv(100).startswith(b"HTTP/1.1 401")
