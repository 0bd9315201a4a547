"""Keys are made, shown, and ended: over HTTP by admins, on the command line by whoever has the data folder."""

import subprocess
import sys
from datetime import timedelta

import pytest
from keyed import Keyed
from sqlalchemy import select

from app.audit.store import AuditRow
from app.auth.service import any_key
from app.cli import main
from app.database import Database, now
from app.networks.store import NetworkRow
from app.schema import is_current
from app.serve import InsecureBind, check_bind
from app.settings import Settings


@pytest.fixture
def keyed(service):
    return Keyed(service)


@pytest.fixture
def admin(keyed):
    return keyed.key("root", "admin")


def wanted(**more):
    return {"owner": "ada", "scope": "read", **more}


def test_an_admin_makes_a_key_that_works(keyed, admin):
    ends = (now() + timedelta(days=1)).isoformat()
    response = keyed.request("POST", "/v1/keys", admin, json=wanted(note="nightly", expires_at=ends))
    made = response.json()
    assert (response.status_code, response.headers["location"]) == (201, f"/v1/keys/{made['id']}")
    assert (made["owner"], made["scope"], made["note"], made["status"]) == (
        "ada",
        "read",
        "nightly",
        "active",
    )
    with keyed.client(Authorization=f"Bearer {made['key']}") as client:
        assert client.get("/v1/networks").status_code == 200
        assert client.post("/v1/networks").status_code == 403


def test_a_secret_is_shown_once(keyed, admin):
    made = keyed.request("POST", "/v1/keys", admin, json=wanted()).json()
    shown = keyed.get(admin, f"/v1/keys/{made['id']}").json()
    listed = keyed.get(admin, "/v1/keys").text
    secret = made.pop("key").rpartition("_")[2]
    assert shown == made
    assert secret not in listed
    with keyed.database.read() as session:
        assert secret not in str([vars(row) for row in session.scalars(select(AuditRow))])


def test_the_first_key_is_not_made_over_http(keyed):
    response = keyed.request("POST", "/v1/keys", json=wanted(scope="admin"))
    assert response.status_code == 403
    assert "backpropd keys create" in response.json()["detail"]
    assert not any_key(keyed.database)


@pytest.mark.parametrize(
    ("wrong", "pointer"),
    [
        ({"owner": "Ada"}, "/owner"),
        ({"owner": ""}, "/owner"),
        ({"owner": "-"}, "/owner"),
        ({"owner": "a" * 64}, "/owner"),
        ({"owner": "ada\n"}, "/owner"),
        ({"scope": "root"}, "/scope"),
        ({"note": "a\nb"}, "/note"),
        ({"note": "x" * 201}, "/note"),
        ({"expires_at": "2020-01-01T00:00:00Z"}, "/expires_at"),
        ({"expires_at": "2099-01-01T00:00:00"}, "/expires_at"),
        ({"expires_at": 4102444800}, "/expires_at"),
        ({"prefix": "x"}, "/prefix"),
    ],
)
def test_a_wrong_wish_is_refused(keyed, admin, wrong, pointer):
    response = keyed.request("POST", "/v1/keys", admin, json=wanted(**wrong))
    assert response.status_code == 422, response.text
    assert response.json()["errors"][0]["pointer"] == pointer


def test_keys_are_listed_of_all_owners(keyed, admin):
    others = [keyed.key(owner).id for owner in ("ada", "bob")]
    assert {key["id"] for key in keyed.get(admin, "/v1/keys").json()["items"]} == {admin.id, *others}
    bobs = keyed.get(admin, "/v1/keys?owner=bob").json()["items"]
    assert [key["id"] for key in bobs] == others[1:]
    first = keyed.get(admin, "/v1/keys?limit=2").json()
    rest = keyed.get(admin, f"/v1/keys?limit=2&cursor={first['next_cursor']}").json()
    assert len(first["items"] + rest["items"]) == 3


def test_a_revoked_key_stays_in_the_list(keyed, admin):
    key = keyed.key()
    for _ in range(2):
        assert keyed.request("DELETE", f"/v1/keys/{key.id}", admin).status_code == 204
    shown = keyed.get(admin, f"/v1/keys/{key.id}").json()
    assert (shown["status"], shown["revoked_at"] is None) == ("revoked", False)


def test_an_unknown_key_is_a_404(keyed, admin):
    for method in ("GET", "DELETE"):
        assert keyed.request(method, "/v1/keys/key_x", admin).status_code == 404


def run(monkeypatch, *arguments):
    monkeypatch.setattr(sys, "argv", ["backpropd", "keys", *map(str, arguments)])
    main()


def test_the_command_line_makes_the_first_key(monkeypatch, capsys, tmp_path):
    """Before the service ever ran, too: the database is made."""
    data = tmp_path / "data"
    run(monkeypatch, "create", "--owner", "ada", "--scope", "admin", "--expires-days", 2, "--data", data)
    out, err = capsys.readouterr()
    assert out.startswith("bpd_")
    assert out.count("\n") == 1
    assert "admin for ada" in err
    settings = Settings(data=data)
    assert is_current(settings)
    assert any_key(Database(settings.url))
    run(monkeypatch, "list", "--data", data)
    listed = capsys.readouterr().out
    assert out.strip() not in listed
    assert [line.split()[2:5] for line in listed.splitlines()[1:]] == [["ada", "admin", "active"]]
    key_id = listed.splitlines()[1].split()[0]
    run(monkeypatch, "revoke", key_id, "--data", data)
    run(monkeypatch, "list", "--owner", "ada", "--data", data)
    assert "revoked" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("create", "--owner", "A b", "--scope", "read"), "--owner"),
        (("create", "--owner", "ada", "--scope", "read", "--expires-days", "0"), "--expires-days"),
        (("create", "--owner", "ada", "--scope", "read", "--expires-days", "99999999"), "--expires-days"),
        (("create", "--owner", "ada", "--scope", "read", "--note", "a\nb"), "--note"),
        (("revoke", "key_x"), "there is no key key_x"),
    ],
)
def test_the_command_line_says_what_is_wrong(monkeypatch, tmp_path, arguments, complaint):
    with pytest.raises(SystemExit, match=complaint):
        run(monkeypatch, *arguments, "--data", tmp_path)


def test_changes_on_the_command_line_are_in_the_log(monkeypatch, capsys, tmp_path):
    run(monkeypatch, "create", "--owner", "ada", "--scope", "read", "--data", tmp_path)
    secret = capsys.readouterr().out.strip().rpartition("_")[2]
    with Database(Settings(data=tmp_path).url).read() as session:
        [row] = session.scalars(select(AuditRow))
    assert (row.method, row.route, row.ids[0][:4]) == ("CLI", "keys create", "key_")
    assert secret not in str(vars(row))


@pytest.mark.sqlite
def test_what_was_made_without_keys_can_be_adopted(keyed, monkeypatch, capsys):
    body = {"name": "n", "layers": [{"kind": "dense", "units": 2}]}
    network = keyed.request("POST", "/v1/networks", json=body).json()["id"]
    data = keyed.service.settings.data
    run(monkeypatch, "create", "--owner", "bob", "--scope", "read", "--data", data)
    out, err = capsys.readouterr()
    bob = out.strip()
    assert "--adopt" in err
    run(monkeypatch, "create", "--owner", "ada", "--scope", "read", "--adopt", "--data", data)
    out, err = capsys.readouterr()
    ada = out.strip()
    assert "--adopt" not in err
    for key, status in ((bob, 404), (ada, 200)):
        with keyed.client(Authorization=f"Bearer {key}") as client:
            assert client.get(f"/v1/networks/{network}").status_code == status
    with keyed.database.read() as session:
        assert session.get(NetworkRow, network).owner == "ada"


def test_a_public_address_needs_a_key(tmp_path, caplog, keyed):
    empty = Settings(data=tmp_path / "none", host="0.0.0.0")
    with pytest.raises(InsecureBind, match="keys create"):
        check_bind(empty)
    assert not empty.data.exists()
    for host in ("127.0.0.1", "localhost", "::1", "127.8.8.8"):
        check_bind(Settings(data=tmp_path / "none", host=host))
    here = keyed.service.settings.model_copy(update={"host": "0.0.0.0"})
    with pytest.raises(InsecureBind):
        check_bind(here)
    check_bind(here.model_copy(update={"allow_insecure_bind": True}))
    assert "there are no keys" in caplog.text
    keyed.revoke(keyed.key().id)
    check_bind(here)  # nobody gets in, with or without


@pytest.mark.slow
def test_serve_refuses_a_public_address(tmp_path):
    command = [
        sys.executable,
        "-m",
        "app.cli",
        "serve",
        "--host",
        "0.0.0.0",
        "--port",
        "0",
        "--data",
        tmp_path,
    ]
    ended = subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)
    assert ended.returncode == 1
    assert "there are no keys" in ended.stderr


def test_keys_work_on_every_database(start_service, tmp_path, database_url):
    with start_service(tmp_path / "data", database_url=database_url) as service:
        keyed = Keyed(service)
        key, admin = keyed.key(), keyed.key("root", "admin")
        body = {"name": "n", "layers": [{"kind": "dense"}]}
        made = keyed.request("POST", "/v1/networks", key, headers={"Idempotency-Key": "one"}, json=body)
        assert made.status_code == 201
        assert keyed.get(admin, f"/v1/networks/{made.json()['id']}").status_code == 404
        assert keyed.request("POST", "/v1/session", key).status_code == 201
        assert keyed.request("DELETE", f"/v1/keys/{key.id}", admin).status_code == 204
        assert keyed.get(key, "/v1/networks").status_code == 401
        lines = keyed.get(admin, "/v1/audit").json()["items"]
        assert [line["status"] for line in lines] == [401, 204, 201, 201]
