"""What SQLite is set up to promise."""

import sqlite3
import threading
from datetime import UTC, datetime, timedelta, timezone

import pytest
from sqlalchemy import event, func, select, text
from sqlalchemy.exc import IntegrityError

from app import database as module
from app.database import Database, journal_mode
from app.idempotency import StoredAnswer
from app.networks.store import NetworkRow

BODY = {"name": "n", "layers": [{"kind": "dense", "units": 2}]}


@pytest.mark.parametrize(
    ("version", "mode"),
    [
        ((3, 40, 1), "PERSIST"),
        ((3, 44, 5), "PERSIST"),
        ((3, 44, 6), "WAL"),
        ((3, 45, 0), "PERSIST"),
        ((3, 50, 6), "PERSIST"),
        ((3, 50, 7), "WAL"),
        ((3, 51, 0), "PERSIST"),
        ((3, 51, 2), "PERSIST"),
        ((3, 51, 3), "WAL"),
        ((3, 52, 0), "WAL"),
        ((4, 0, 0), "WAL"),
    ],
)
def test_journal_mode(version, mode):
    assert journal_mode(version) == mode


@pytest.fixture
def database(tmp_path):
    database = Database(f"sqlite:///{tmp_path / 'x.db'}")
    with database.write() as session:
        session.execute(text("CREATE TABLE parents (id INTEGER PRIMARY KEY)"))
        session.execute(text("CREATE TABLE children (parent INTEGER REFERENCES parents (id))"))
    yield database
    database.close()


@pytest.mark.parametrize("session", ["read", "write"])
def test_every_connection_is_set_up(database, session):
    with getattr(database, session)() as opened:
        pragmas = {
            name: opened.scalar(text(f"PRAGMA {name}"))
            for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
        }
    mode = journal_mode(sqlite3.sqlite_version_info).lower()
    assert pragmas == {"journal_mode": mode, "synchronous": 2, "foreign_keys": 1, "busy_timeout": 10_000}


def test_foreign_keys_hold(database):
    with pytest.raises(IntegrityError), database.write() as session:
        session.execute(text("INSERT INTO children VALUES (1)"))


def test_a_block_that_raises_is_rolled_back(database):
    def insert_and_fail():
        with database.write() as session:
            session.execute(text("INSERT INTO parents VALUES (1)"))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        insert_and_fail()
    with database.read() as session:
        assert session.scalar(text("SELECT count(*) FROM parents")) == 0


def test_writers_wait_for_each_other_before_they_read(database):
    """Both count and then insert: had the second counted before the first was done, it would count the same."""

    def insert_next():
        with database.write() as session:
            number = session.scalar(text("SELECT count(*) FROM parents"))
            session.execute(text("INSERT INTO parents VALUES (:id)"), {"id": number})

    threads = [threading.Thread(target=insert_next) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with database.read() as session:
        assert session.scalars(text("SELECT id FROM parents ORDER BY id")).all() == list(range(8))


def test_times_are_utc(database):
    column = module.UtcDateTime()
    dialect = database.engine.dialect
    noon = datetime(2024, 1, 1, 12, tzinfo=timezone(timedelta(hours=2)))
    stored = column.process_bind_param(noon, dialect)
    assert (stored, stored.tzinfo) == (datetime(2024, 1, 1, 10), None)  # noqa: DTZ001 - what the database holds
    assert column.process_result_value(stored, dialect) == noon.astimezone(UTC)


# A response precedes no commit that can still fail


def fail_at_commit(service, table):
    """Make each new row of `table` break a constraint that SQLite checks no earlier than at the commit."""
    with service.context.database.write() as session:
        session.execute(
            text("CREATE TABLE trap (parent REFERENCES networks (id) DEFERRABLE INITIALLY DEFERRED)")
        )
        session.execute(
            text(f"CREATE TRIGGER t AFTER INSERT ON {table} BEGIN INSERT INTO trap VALUES ('nobody'); END")
        )


def count(service, table):
    with service.context.database.read() as session:
        return session.scalar(select(func.count()).select_from(table))


def test_a_commit_that_fails_is_no_201(service):
    fail_at_commit(service, "networks")
    response = service.client.post("/v1/networks", json=BODY, headers={"Idempotency-Key": "x"})
    assert response.status_code == 500
    assert (response.json()["type"], "location" in response.headers) == ("urn:backpropd:internal", False)
    assert (count(service, NetworkRow), count(service, StoredAnswer)) == (0, 0)


def test_a_commit_that_fails_takes_the_file_along(service):
    fail_at_commit(service, "datasets")
    response = service.client.post("/v1/datasets", content=b"a\n1\n", headers={"Content-Type": "text/csv"})
    assert response.status_code == 500
    assert (service.client.get("/v1/datasets").json()["items"], service.files()) == ([], [])


def test_a_commit_that_fails_keeps_the_columns_and_their_file(service):
    dataset = service.upload(b"a,b\n1,x\n2,y\n")
    path = f"/v1/datasets/{dataset['id']}"
    rows = service.client.get(f"{path}/rows").json()
    with service.context.database.write() as session:
        session.execute(
            text("CREATE TABLE trap (parent REFERENCES networks (id) DEFERRABLE INITIALLY DEFERRED)")
        )
        session.execute(
            text("CREATE TRIGGER t AFTER UPDATE ON datasets BEGIN INSERT INTO trap VALUES ('nobody'); END")
        )
    response = service.client.patch(path, json={"columns": [{"name": "a", "type": "categorical"}]})
    assert response.status_code == 500
    assert service.client.get(path).json() == dataset
    assert service.client.get(f"{path}/rows").json() == rows
    assert service.files() == [f"datasets/{dataset['id']}.arrow"]


def test_a_full_database_is_a_507(service):
    engine = service.context.database.engine
    engine.dispose()
    event.listen(engine, "connect", lambda connection, _: connection.execute("PRAGMA max_page_count=1"))
    data = ",".join(f"column_{i}" for i in range(500)) + "\n" + ",".join("1" * 500) + "\n"
    response = service.client.post("/v1/datasets", content=data, headers={"Content-Type": "text/csv"})
    assert (response.status_code, response.json()["type"]) == (507, "urn:backpropd:storage_full")
    assert (service.client.get("/v1/datasets").json()["items"], service.files()) == ([], [])


def test_a_database_locked_for_too_long_is_a_503(start_service, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "BUSY_SECONDS", 0)
    with start_service(tmp_path / "data") as service, service.context.database.write() as session:
        session.execute(text("SELECT 1"))  # begins the transaction
        response = service.client.post("/v1/networks", json=BODY)
    assert (response.status_code, response.json()["type"]) == (503, "urn:backpropd:busy")
    assert response.headers["retry-after"] == "1"


def test_a_reader_is_not_kept_from_reading_by_a_writer(database):
    with database.write() as writing:
        writing.execute(text("INSERT INTO parents VALUES (1)"))
        with database.read() as session:
            assert session.scalar(text("SELECT count(*) FROM parents")) == 0
