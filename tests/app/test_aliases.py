"""Aliases, their history, and what people may say about a model."""

import pytest
from hand_made import keep, make
from hand_made_jobs import queued
from keyed import Keyed
from sqlalchemy import select

from app.auth import service as auth
from app.jobs import queue
from app.jobs.store import JobRow
from app.models import aliases
from app.models.store import AliasMoveRow, AliasRow


def move(service, version, name="penguins", alias="champion"):
    return service.client.put(f"/v1/models/{name}/aliases/{alias}", json={"version": version})


def history(service, query=""):
    return service.client.get(f"/v1/models/penguins/aliases/champion/history{query}").json()


def test_an_alias_names_a_version_until_it_moves(service):
    first, second = (keep(service.context, make()) for _ in range(2))
    for model in (first, second, first):  # an earlier version comes back by being put
        answer = move(service, model.version)
        assert answer.json() | {"moved_at": ""} == {
            "name": "penguins",
            "alias": "champion",
            "version": model.version,
            "moved_at": "",
        }
        assert service.client.get("/v1/models/penguins@champion").json()["id"] == model.id
        answer = service.client.post("/v1/models/penguins@champion/predict", json={"records": [{"bill": 1}]})
        assert answer.json()["version"] == model.version
    assert service.client.get("/v1/models/penguins").json()["id"] == second.id
    move(service, 2, alias="challenger")
    shown = service.client.get("/v1/models/penguins/aliases").json()["items"]
    assert [(each["alias"], each["version"]) for each in shown] == [("challenger", 2), ("champion", 1)]


def test_the_history_tells_every_move(service):
    for _ in range(2):
        keep(service.context, make())
    moves = [1, 2, 2, 1]  # the second 2 is no move
    for version in moves:
        move(service, version)
    assert service.client.delete("/v1/models/penguins/aliases/champion").status_code == 204
    assert service.client.get("/v1/models/penguins@champion").status_code == 404
    told = history(service)["items"]
    assert [(each["action"], each["version"], each["previous_version"]) for each in told] == [
        ("deleted", None, 1),
        ("moved", 1, 2),
        ("moved", 2, 1),
        ("moved", 1, None),
    ]
    assert [each["at"] for each in told] == sorted((each["at"] for each in told), reverse=True)
    pages, cursor = [], ""
    while cursor is not None:
        page = history(service, f"?limit=3{cursor and f'&cursor={cursor}'}")
        pages, cursor = [*pages, *page["items"]], page["next_cursor"]
    assert pages == told


def test_the_history_is_bounded(service, monkeypatch):
    monkeypatch.setattr(aliases, "MOST_MOVES", 3)
    for _ in range(2):
        keep(service.context, make())
    for version in (1, 2, 1, 2, 1, 2):
        move(service, version)
        move(service, version, alias="other")
    assert [each["version"] for each in history(service)["items"]] == [2, 1, 2]


def test_who_moved_it_is_told(service):
    keep(service.context, make(), owner="ada")
    keyed = Keyed(service)
    key = keyed.key("ada")
    assert keyed.request("PUT", "/v1/models/penguins/aliases/a", key, json={"version": 1}).status_code == 200
    [told] = keyed.get(key, "/v1/models/penguins/aliases/a/history").json()["items"]
    assert told["key_id"] == key.id
    log = keyed.get(keyed.key("ada", "admin"), "/v1/audit").json()["items"]
    assert any(told["id"] in line["ids"] and line["key_id"] == key.id for line in log)


@pytest.mark.parametrize(
    ("path", "body", "status", "says"),
    [
        ("penguins/aliases/a", {"version": 7}, 422, "no version 7"),
        ("nobody/aliases/a", {"version": 1}, 404, "no model nobody"),
        ("penguins/aliases/A", {"version": 1}, 422, "characters out of"),
        ("penguins/aliases/a:1", {"version": 1}, 422, "characters out of"),
        ("penguins/aliases/a", {"version": 0}, 422, "greater than or equal to 1"),
        ("penguins/aliases/a", {"version": 10**30}, 422, "less than"),
        ("penguins/aliases/a", {}, 422, "required"),
    ],
)
def test_what_no_alias_can_be(service, path, body, status, says):
    keep(service.context, make())
    answer = service.client.put(f"/v1/models/{path}", json=body)
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")
    assert says in answer.json()["detail"]
    assert service.client.get("/v1/models/penguins/aliases").json() == {"items": []}
    assert service.client.get("/v1/models/penguins/aliases/a/history").status_code == 404


def test_a_model_in_use_stays(service):
    kept, needed = (keep(service.context, make()) for _ in range(2))
    move(service, 1)
    job = queued(service.context.database, start_model_id=needed.id)
    for ref in ("penguins:1", "penguins@champion", "penguins:2"):
        answer = service.client.delete(f"/v1/models/{ref}")
        assert answer.status_code == 409
        assert "in use" in answer.json()["detail"]
    assert service.context.storage.model(kept.id).exists()
    service.client.delete("/v1/models/penguins/aliases/champion")
    with service.context.database.write() as session:
        queue.end(session, session.get(JobRow, job), "cancelled")
    for ref in ("penguins:1", "penguins:2"):
        assert service.client.delete(f"/v1/models/{ref}").status_code == 204
    assert len(history(service)["items"]) == 2  # what happened stays


def test_an_alias_goes_with_its_model_to_another_owner(service):
    keep(service.context, make())
    move(service, 1)
    with service.context.database.write() as session:
        auth.adopt(session, "ada")
    with service.context.database.read() as session:
        for table in (AliasRow, AliasMoveRow):
            assert [row.owner for row in session.scalars(select(table))] == ["ada"]


def test_notes_and_tags_are_all_that_changes(service):
    keep(service.context, make(), tags=["old"])
    before = service.client.get("/v1/models/penguins").json()
    changed = service.client.patch(
        "/v1/models/penguins", json={"tags": ["b", "a", "b"], "notes": "# Mind\nit"}
    )
    assert (changed.status_code, changed.json()["tags"]) == (200, ["b", "a"])
    assert service.client.get("/v1/models/penguins").json() == before | {
        "tags": ["b", "a"],
        "notes": "# Mind\nit",
    }
    assert service.client.patch("/v1/models/penguins:1", json={"notes": None}).json()["notes"] == "# Mind\nit"
    assert len(service.client.get("/v1/models?tag=a").json()["items"]) == 1
    assert service.client.get("/v1/models?tag=old").json()["items"] == []
    for body in ({"name": "x"}, {"tags": [""]}, {"tags": ["x"] * 33}, {"notes": "x" * 20_001}):
        assert service.client.patch("/v1/models/penguins", json=body).status_code == 422
