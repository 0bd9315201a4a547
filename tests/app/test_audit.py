"""The log of changes: a line for every change, in its transaction, without secrets."""

import re
from datetime import timedelta

import pytest
from fastapi.routing import iter_route_contexts
from keyed import Keyed
from sqlalchemy import func, select

from app.audit.store import AuditRow
from app.database import now
from app.networks.store import NetworkRow

NETWORK = {"name": "confidential", "layers": [{"kind": "dense"}]}


@pytest.fixture
def keyed(service):
    return Keyed(service)


@pytest.fixture
def admin(keyed):
    return keyed.key("root", "admin")


def lines(keyed, key, **params):
    response = keyed.get(key, "/v1/audit", params=params)
    assert response.status_code == 200, response.text
    return response.json()["items"]


def test_every_change_is_a_line(keyed, admin):
    key = keyed.key("ada")
    with keyed.client(key) as client:
        network = client.post("/v1/networks", json=NETWORK, headers={"X-Request-Id": "mine"}).json()["id"]
        data = client.post("/v1/datasets", content=b"a,b\n1,2\n", headers={"Content-Type": "text/csv"})
        dataset = data.json()["id"]
        client.patch(f"/v1/datasets/{dataset}", json={"name": "new"})
        client.delete(f"/v1/networks/{network}")
    found = lines(keyed, admin)
    assert [(line["method"], line["route"], line["status"], line["ids"]) for line in reversed(found)] == [
        ("POST", "/v1/networks", 201, [network]),
        ("POST", "/v1/datasets", 201, [dataset]),
        ("PATCH", "/v1/datasets/{dataset_id}", 200, [dataset]),
        ("DELETE", "/v1/networks/{network_id}", 204, [network]),
    ]
    first = found[-1]
    assert (first["key_id"], first["owner"], first["client"]) == (key.id, "ada", "127.0.0.1")
    assert first["request_id"] == "mine"
    assert {line["key_id"] for line in found} == {key.id}


def test_changes_without_keys_are_lines_too(keyed):
    network = keyed.request("POST", "/v1/networks", json=NETWORK).json()["id"]
    [line] = lines(keyed, None)
    assert (line["key_id"], line["owner"], line["ids"]) == (None, "", [network])


def test_what_changes_nothing_is_no_line(keyed, admin):
    key = keyed.key()
    with keyed.client(key) as client:
        headers = {"Idempotency-Key": "one"}
        client.get("/v1/networks")
        client.post("/v1/networks", json={"name": "n"})  # refused
        client.delete("/v1/networks/net_x")  # not there
        for _ in range(3):
            assert client.post("/v1/networks", json=NETWORK, headers=headers).status_code == 201
    assert [line["method"] for line in lines(keyed, admin)] == ["POST"]


def test_a_change_and_its_line_are_one_transaction(keyed, admin, monkeypatch):
    monkeypatch.setattr("app.audit.store.new_id", lambda _: None)  # a line that cannot be written
    with keyed.client(keyed.key()) as client:
        assert client.post("/v1/networks", json=NETWORK).status_code == 500
    with keyed.database.read() as session:
        assert session.scalar(select(func.count()).select_from(NetworkRow)) == 0


def test_keys_and_sessions_are_lines(keyed, admin):
    made = keyed.request("POST", "/v1/keys", admin, json={"owner": "ada", "scope": "read"}).json()
    keyed.request("POST", "/v1/session", admin)
    keyed.request("DELETE", f"/v1/keys/{made['id']}", admin)
    revoked, session, created = lines(keyed, admin)
    assert (created["route"], created["ids"]) == ("/v1/keys", [made["id"]])
    assert (session["route"], session["ids"][0][:4]) == ("/v1/session", "ses_")
    assert (revoked["route"], revoked["ids"]) == ("/v1/keys/{key_id}", [made["id"]])


def test_refused_attempts_are_lines(keyed, admin):
    key, reader = keyed.key("ada"), keyed.key("bob", "read")
    keyed.revoke(key.id)
    keyed.get(key, "/v1/networks")
    keyed.request("POST", "/v1/networks", reader, json=NETWORK)
    with keyed.client(Authorization="Bearer bpd_guess") as client:
        client.delete("/nothing/here")
    unknown, small, revoked = lines(keyed, admin)
    assert (revoked["status"], revoked["route"], revoked["key_id"]) == (401, "/v1/networks", key.id)
    assert (small["status"], small["method"], small["owner"]) == (403, "POST", "bob")
    assert (unknown["status"], unknown["route"], unknown["key_id"]) == (401, "unknown", None)


def test_a_request_without_credentials_is_no_line(keyed, admin):
    keyed.request("GET", "/v1/networks")
    assert lines(keyed, admin) == []


def test_no_line_holds_a_secret_or_a_body(keyed, admin):
    keyed.request("POST", "/v1/networks", admin, json=NETWORK)
    made = keyed.request("POST", "/v1/keys", admin, json={"owner": "ada", "scope": "read"}).json()
    with keyed.client(Authorization=f"Bearer {made['key'][:-1]}0") as client:
        client.get("/v1/networks")
    session = keyed.request("POST", "/v1/session", admin)
    text = str(lines(keyed, admin))
    for secret in (admin.key, made["key"], session.cookies["backpropd_session"]):
        assert secret.split("_")[2][:20] not in text
    assert "confidential" not in text


def test_lines_are_filtered_and_paged(keyed, admin):
    keys = {owner: keyed.key(owner) for owner in ("ada", "bob")}
    for key in (keys["ada"], keys["bob"], keys["ada"]):
        keyed.request("POST", "/v1/networks", key, json=NETWORK)
    assert [line["owner"] for line in lines(keyed, admin, owner="ada")] == ["ada", "ada"]
    assert [line["key_id"] for line in lines(keyed, admin, key_id=keys["bob"].id)] == [keys["bob"].id]
    middle = lines(keyed, admin)[1]
    later = [line["id"] for line in lines(keyed, admin, since=middle["at"])]
    earlier = [line["id"] for line in lines(keyed, admin, until=middle["at"])]
    assert (len(later), len(earlier)) == (2, 1)
    assert lines(keyed, admin, since=(now() + timedelta(hours=1)).isoformat()) == []
    first = keyed.get(admin, "/v1/audit?limit=2").json()
    rest = keyed.get(admin, "/v1/audit", params={"limit": 2, "cursor": first["next_cursor"]}).json()
    assert [len(page["items"]) for page in (first, rest)] == [2, 1]


@pytest.mark.parametrize(
    "text", ["yesterday", "1700000000", "-4.1e-221", "2026-01-31", "2026-01-31T12:00:00"]
)
def test_what_is_no_time_with_a_zone_is_refused(keyed, admin, text):
    response = keyed.get(admin, "/v1/audit", params={"since": text})
    assert response.status_code == 422
    assert "2026-01-31T12:00:00Z" in response.text


def test_the_log_is_for_admins_and_cannot_be_changed(service):
    paths = [route for route in iter_route_contexts(service.app.routes) if re.match("/v1/audit", route.path)]
    assert {method for route in paths for method in route.methods} == {"GET"}
    keyed = Keyed(service)
    for scope in ("read", "write"):
        assert keyed.get(keyed.key(scope=scope), "/v1/audit").status_code == 403


def test_a_long_name_is_cut(keyed, admin):
    keyed.request("POST" * 4, "/nothing", admin)
    with keyed.client(Authorization="Bearer bpd_x") as client:
        client.request("M" * 200, f"/v1/networks/{'x' * 4000}")
    with keyed.database.read() as session:
        [row] = session.scalars(select(AuditRow))
    assert len(row.method) == 20
    assert all(len(thing) <= 100 for thing in row.ids)
