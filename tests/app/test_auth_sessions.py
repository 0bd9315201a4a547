"""The session of a page: a cookie that acts as a key, and only for our own pages."""

from datetime import timedelta

import pytest
from keyed import Keyed
from sqlalchemy import select

from app.auth.store import PageSessionRow
from app.database import now

NETWORK = {"name": "n", "layers": [{"kind": "dense", "units": 2}]}


@pytest.fixture
def keyed(service):
    return Keyed(service)


@pytest.fixture
def page(keyed):
    """A browser's page that has a session, and the key that it was got with."""
    key = keyed.key()
    with keyed.client() as client:
        response = client.post("/v1/session", headers={"Authorization": f"Bearer {key.key}"})
        assert response.status_code == 201
        yield client, key, response


def test_a_cookie_is_for_the_browser_alone(page):
    cookie = page[2].headers["set-cookie"]
    attributes = {part.strip().lower() for part in cookie.split(";")}
    assert {"httponly", "samesite=strict", "path=/"} <= attributes
    assert "secure" not in attributes
    assert page[1].key not in cookie
    assert page[2].json()["owner"] == "ada"


def test_behind_https_a_cookie_is_secure(keyed):
    host = keyed.service.url.removeprefix("http://")
    response = keyed.request("POST", "/v1/session", keyed.key(), headers={"Origin": f"https://{host}"})
    assert "secure" in response.headers["set-cookie"].lower()


def test_a_session_acts_as_its_key(keyed, page):
    client, _, _ = page
    made = client.post("/v1/networks", json=NETWORK, headers={"Origin": keyed.service.url})
    assert made.status_code == 201
    assert client.get(f"/v1/networks/{made.json()['id']}").status_code == 200
    assert client.get("/v1/keys").status_code == 403


@pytest.mark.parametrize("origin", [None, "null", "http://evil.example", "https://127.0.0.1", ""])
@pytest.mark.parametrize(
    ("method", "path"), [("POST", "/v1/networks"), ("DELETE", "/v1/session"), ("PATCH", "/x")]
)
def test_a_change_by_cookie_needs_our_origin(page, origin, method, path):
    headers = {} if origin is None else {"Origin": origin}
    response = page[0].request(method, path, headers=headers)
    assert (response.status_code, response.json()["type"]) == (403, "urn:backpropd:forbidden_origin")


def test_a_change_by_key_needs_no_origin(keyed):
    assert keyed.request("POST", "/v1/networks", keyed.key(), json=NETWORK).status_code == 201


def test_a_key_counts_before_a_cookie(keyed, page):
    """So a page can neither lose a key's rights to a cookie, nor make up for a bad key."""
    client, _, _ = page
    admin = keyed.key(scope="admin")
    assert client.get("/v1/keys", headers={"Authorization": f"Bearer {admin.key}"}).status_code == 200
    assert client.get("/v1/networks", headers={"Authorization": "Bearer bpd_x"}).status_code == 401


def test_a_session_ends(keyed, page):
    client, _, _ = page
    cookie = client.cookies["backpropd_session"]
    response = client.delete("/v1/session", headers={"Origin": keyed.service.url})
    assert response.status_code == 204
    assert "backpropd_session" not in client.cookies
    client.cookies.set("backpropd_session", cookie)
    assert client.get("/v1/networks").status_code == 401


def test_a_session_ends_with_its_key(keyed, page):
    client, key, _ = page
    assert client.get("/v1/networks").status_code == 200
    keyed.revoke(key.id)
    assert client.get("/v1/networks").status_code == 401


def test_a_session_ends_after_hours(keyed, page):
    with keyed.database.write() as session:
        row = session.scalars(select(PageSessionRow)).one()
        assert timedelta(hours=11) < row.expires_at - now() <= timedelta(hours=12)
        row.expires_at = now()
    assert page[0].get("/v1/networks").status_code == 401


def test_a_session_ends_no_later_than_its_key(keyed):
    key = keyed.key(expires_at=now() + timedelta(hours=1))
    begun = keyed.request("POST", "/v1/session", key).json()
    assert begun["expires_at"] == key.model_dump(mode="json")["expires_at"]


def test_a_session_does_not_make_another(keyed, page):
    response = page[0].post("/v1/session", headers={"Origin": keyed.service.url})
    assert response.status_code == 409


def test_without_keys_there_is_no_session(keyed):
    assert keyed.request("POST", "/v1/session").status_code == 409


def test_a_made_up_cookie_is_refused(keyed, page):
    cookie = page[0].cookies["backpropd_session"]
    for made_up in ("x", cookie[:-1] + ("0" if cookie[-1] != "0" else "1"), cookie.replace("bps", "bpd")):
        with keyed.client(Cookie=f"backpropd_session={made_up}") as client:
            assert client.get("/v1/networks").status_code == 401


def test_ended_sessions_are_forgotten(keyed, page):
    with keyed.database.write() as session:
        session.scalars(select(PageSessionRow)).one().expires_at = now() - timedelta(seconds=1)
    keyed.request("POST", "/v1/session", keyed.key())
    with keyed.database.read() as session:
        assert len(session.scalars(select(PageSessionRow)).all()) == 1
