"""The quick way of few records: the route's answers, byte for byte, without a question to the database."""

import itertools
import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from hand_made import ROWS, keep, make
from sqlalchemy import event

from app import data_version
from app.data_version import HOLDS_SECONDS
from app.database import Database
from app.predictions import quick, service
from app.remembered import Remembered

RECORD = {"island": "Dream", "bill": 40.0, "sex": "male"}
BODIES = {
    "plain": {"records": [RECORD]},
    "missing": {"records": [{"island": None, "bill": "NA"}]},
    "unseen": {"records": [RECORD | {"island": "Torgersen", "colour": "red"}]},
    "few": {"records": [{name: row[name] for name in RECORD} for row in ROWS]},
    "inputs": {"inputs": [["Dream", 40.0, "male"], ["Biscoe", None, None]]},
}


@pytest.fixture(scope="module")
def running(start_service, tmp_path_factory):
    with start_service(tmp_path_factory.mktemp("data")) as running:
        yield running


def ask(running, body, ref="penguins", *, quickly=True):
    """The answer's bytes; a body in pieces, whose length nobody says, is not for the quick way."""
    content = json.dumps(body).encode()
    answer = running.client.post(
        f"/v1/models/{ref}/predict",
        content=content if quickly else iter([content]),
        headers={"Content-Type": "application/json"},
    )
    assert answer.status_code == 200, answer.text
    return answer


@pytest.mark.parametrize(
    "task", ["binary", "multiclass", "multilabel", "regression", "several", "autoencoding"]
)
def test_its_answers_are_those_of_the_route(running, task, monkeypatch):
    keep(running.context, make(task))
    expected = {name: ask(running, body, quickly=False) for name, body in BODIES.items()}
    monkeypatch.setattr(service, "predict", None)  # now nothing goes the route's way
    for name, body in BODIES.items():
        answer = ask(running, body)
        assert answer.content == expected[name].content
        assert answer.headers.keys() == expected[name].headers.keys()


def test_what_it_does_not_take_the_route_answers(running):
    keep(running.context, make())
    ask(running, BODIES["plain"])
    post = running.client.post
    place = "/v1/models/penguins/predict"
    assert (
        post(place, json={"records": [{"bill": "abc"}]}).json()["errors"][0]["pointer"] == "/records/0/bill"
    )
    assert post(place, json={"inputs": [[1]]}).status_code == 422
    assert post(place, content=b"{", headers={"Content-Type": "application/json"}).status_code == 422
    assert post(place, json={"records": [RECORD] * (quick.QUICK_ROWS + 1)}).status_code == 200
    assert post(place, json={"records": [RECORD], "inputs": [[1]]}).status_code == 422
    assert post("/v1/models/nobody/predict", json=BODIES["plain"]).status_code == 404


@pytest.mark.sqlite
def test_nothing_is_asked_of_the_database(running):
    keep(running.context, make())
    ask(running, BODIES["plain"])
    asked = []

    def note(*arguments):
        asked.append(arguments[2])

    engine = running.context.database.engine
    event.listen(engine, "before_cursor_execute", note)
    try:
        for _ in range(20):
            ask(running, BODIES["plain"])
    finally:
        event.remove(engine, "before_cursor_execute", note)
    assert not asked


def test_slow_models_run_in_a_thread(running, monkeypatch):
    """Whose work would keep all others waiting."""
    keep(running.context, make())
    ask(running, BODIES["plain"])
    monkeypatch.setattr(quick, "QUICK_SECONDS", 0.0)
    monkeypatch.setattr(quick, "_answer", None)
    ask(running, BODIES["plain"])


def test_those_who_wait_for_the_database_share_a_question(running, monkeypatch):
    """Each with one of its own took turns: at 32 connections the last waited for a second after each change."""
    keep(running.context, make())
    ask(running, BODIES["plain"])
    resolved, asked = service.resolved, []

    def slowly(context, ref):
        asked.append(ref)
        time.sleep(0.3)
        return resolved(context, ref)

    monkeypatch.setattr(service, "resolved", slowly)
    keep(running.context, make(), name="another")  # so that nothing that is remembered holds
    with ThreadPoolExecutor(16) as clients:
        list(clients.map(lambda _: ask(running, BODIES["plain"]), range(16)))
    assert 1 <= len(asked) <= 4


def test_an_alias_moves_without_a_dropped_request(running):
    """Asked all the time, with old models deleted: every answer is good, and a move is seen by who asks after it."""
    versions = [keep(running.context, make()).version for _ in range(6)]
    alias = "/v1/models/penguins/aliases/live"
    put = running.client.put
    assert put(alias, json={"version": versions[0]}).is_success
    stop = threading.Event()

    def hammer():
        seen = []
        while not stop.is_set():
            seen.append(ask(running, BODIES["plain"], "penguins@live").json()["version"])
        return seen

    with ThreadPoolExecutor(4) as pool:
        hammers = [pool.submit(hammer) for _ in range(4)]
        for old, new in itertools.pairwise(versions):
            assert put(alias, json={"version": new}).is_success
            assert ask(running, BODIES["plain"], "penguins@live").json()["version"] == new
            assert running.client.delete(f"/v1/models/penguins:{old}").is_success
        stop.set()
        for one in hammers:
            seen = one.result()
            assert seen == sorted(seen)
            assert set(seen) <= set(versions)


@pytest.mark.sqlite
def test_what_other_processes_change_is_seen_within_milliseconds(migrated, tmp_path):
    file = tmp_path / "backpropd.db"
    file.write_bytes(migrated.read_bytes())
    ours, theirs = Database(f"sqlite:///{file}"), Database(f"sqlite:///{file}")
    remembered: Remembered[str] = Remembered(ours.version)
    _, version = remembered.get("who")
    remembered.keep("who", "somebody", version)
    assert remembered.get("who")[0] == "somebody"
    for database, pause in ((theirs, HOLDS_SECONDS), (ours, 0)):
        with database.write() as session:
            session.connection().exec_driver_sql("UPDATE alembic_version SET version_num = version_num")
        time.sleep(pause)
        known, changed = remembered.get("who")
        assert known is None
        remembered.keep("who", "too late", version)  # asked before the change
        assert remembered.get("who")[0] is None
        remembered.keep("who", "somebody else", changed)
        assert remembered.get("who")[0] == "somebody else"
    ours.close()
    theirs.close()


@pytest.mark.sqlite
def test_what_this_process_has_read_is_not_remembered_otherwise(migrated, tmp_path, monkeypatch):
    """Who is told of a change, such as a job's end, may ask for what came of it at once."""
    monkeypatch.setattr(data_version, "HOLDS_SECONDS", 1000.0)
    file = tmp_path / "backpropd.db"
    file.write_bytes(migrated.read_bytes())
    ours, theirs = Database(f"sqlite:///{file}"), Database(f"sqlite:///{file}")
    remembered: Remembered[str] = Remembered(ours.version)
    _, version = remembered.get("who")
    remembered.keep("who", "somebody", version)
    with theirs.write() as session:
        session.connection().exec_driver_sql("UPDATE alembic_version SET version_num = version_num")
    assert remembered.get("who")[0] == "somebody"
    with ours.read() as session:
        session.connection().exec_driver_sql("SELECT version_num FROM alembic_version")
    assert remembered.get("who")[0] is None
    ours.close()
    theirs.close()
