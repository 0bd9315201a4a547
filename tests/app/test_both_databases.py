"""What the stores rely on, on SQLite and on PostgreSQL alike: turns, locks, one moment, one order of the queue."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import func, select, text
from sqlalchemy.exc import DBAPIError, OperationalError

from app import database as module
from app.database import Database, hold, now
from app.events import store as events
from app.ids import new_id
from app.jobs import queue, store
from app.jobs.store import JobRow
from app.models import store as models
from app.networks.store import NetworkRow

pytestmark = pytest.mark.slow


def job(priority=0, owner=""):
    return JobRow(
        id=new_id("job"),
        status="queued",
        request={},
        network={},
        plan={},
        model_name="m",
        task="binary",
        dataset={},
        inputs={},
        tags=[],
        changes=[],
        spent_seconds=0.0,
        memory_bytes=0,
        priority=priority,
        attempt=1,
        created_at=now(),
        owner=owner,
    )


def add(database, *rows):
    ids = [row.id for row in rows]
    with database.write() as session:
        session.add_all(rows)
    return ids


def claim(session, worker="wrk_a"):
    row = store.next_queued(session)
    if row is not None:
        row.status, row.worker_id = "running", worker
        session.flush()
        return row.id
    return None


def network(**values):
    return NetworkRow(**({"id": new_id("net"), "name": "n", "spec": {}, "created_at": now()} | values))


def at_once(number, work):
    """What `work(i)` gives, in threads that all begin together."""
    ready = threading.Barrier(number)

    def begin(i):
        ready.wait()
        return work(i)

    with ThreadPoolExecutor(number) as pool:
        return list(pool.map(begin, range(number)))


def test_what_a_writer_reads_whole_nobody_changes_meanwhile(database):
    """Each reads a figure and writes it one higher: had two read the same, one step would be lost."""
    [network_id] = add(database, network(name="0"))

    def count_on(i):
        for _ in range(5):
            with database.write() as session:
                row = (
                    session.get(NetworkRow, network_id)
                    if i % 2
                    else session.scalars(select(NetworkRow).where(NetworkRow.id == network_id)).one()
                )
                row.name = str(int(row.name) + 1)

    at_once(4, count_on)
    with database.read() as session:
        assert session.get(NetworkRow, network_id).name == "20"


def test_a_name_that_is_held_serialises_decisions_on_counts(database):
    def add_unless_three(_):
        with database.write() as session:
            hold(session, "networks")
            if session.scalar(select(func.count()).select_from(NetworkRow)) < 3:
                session.add(network())

    at_once(8, add_unless_three)
    with database.read() as session:
        assert session.scalar(select(func.count()).select_from(NetworkRow)) == 3


def test_a_reader_sees_one_moment(database):
    add(database, network())
    with database.read() as session:
        before = session.scalar(select(func.count()).select_from(NetworkRow))
        if database.engine.dialect.name == "postgresql":  # SQLite's writer waits until the reader is done
            add(database, network())
        assert session.scalar(select(func.count()).select_from(NetworkRow)) == before


def test_while_the_database_is_frozen_no_writer_is_inside(database):
    """A writer that comes meanwhile waits, and one that is inside is waited for."""
    order = []
    inside, frozen = threading.Event(), threading.Event()

    def write_first():
        with database.write() as session:
            session.add(network())
            session.flush()
            inside.set()
            frozen.wait(0.2)
            order.append("first")

    def write_later():
        frozen.wait()
        with database.write() as session:
            session.add(network())
            order.append("later")

    threads = [threading.Thread(target=target) for target in (write_first, write_later)]
    for thread in threads:
        thread.start()
    inside.wait()
    with database.frozen():
        order.append("frozen")
        frozen.set()
        threads[1].join(0.2)
    for thread in threads:
        thread.join()
    assert order == ["first", "frozen", "later"]


def test_a_lock_that_is_held_for_too_long_is_an_error_not_a_wait_for_ever(database, monkeypatch):
    monkeypatch.setattr(module, "BUSY_SECONDS", 1)
    impatient = Database(database.engine.url.render_as_string(hide_password=False))
    with database.frozen(), pytest.raises(OperationalError), impatient.write() as session:
        session.execute(text("SELECT 1"))
    impatient.close()


def test_no_writer_starves_among_many(database):
    """SQLite's own wait grows to 100 ms between two tries: who has waited for long would hardly ever get its turn."""
    left = iter(range(400))

    def write(_):
        turns = 0
        while next(left, None) is not None:
            with database.write() as session:
                session.add(network())
            turns += 1
        return turns

    turns = at_once(8, write)
    assert min(turns) > 50 / 4, turns  # a fair share is 50


def test_each_job_is_claimed_once(database):
    ids = add(database, *(job() for _ in range(40)))

    def claim_all(i):
        claimed = []
        while True:
            with database.write() as session:
                found = claim(session, f"wrk_{i}")
            if found is None:
                return claimed
            claimed.append(found)

    claimed = [job_id for worker in at_once(4, claim_all) for job_id in worker]
    assert sorted(claimed) == sorted(ids)


def test_a_job_that_is_about_to_be_taken_is_passed_over(database):
    if database.engine.dialect.name != "postgresql":
        pytest.skip("SQLite has one writer at a time")
    first, second = add(database, job(), job())
    with database.write() as one, database.write() as other:
        assert claim(one) == first
        assert claim(other) == second


def test_owners_take_turns_within_a_priority(database):
    many = add(database, *(job(owner="a") for _ in range(3)))
    [few] = add(database, job(owner="b"))
    [urgent] = add(database, job(owner="a", priority=5))
    with database.write() as session:
        order = [claim(session) for _ in range(6)]
    # The urgent one runs for a, so that b is next; then both have one, and the older is a's.
    assert order == [urgent, few, *many, None]


def test_versions_of_a_new_name_are_counted_without_a_gap_or_a_double(database):
    def take(_):
        with database.write() as session:
            return models.next_version(session, "", "m")

    assert sorted(at_once(6, take)) == [1, 2, 3, 4, 5, 6]


def test_events_are_numbered_without_a_gap_or_a_double(database):
    [job_id] = add(database, job())

    def tell(_):
        for _ in range(3):
            with database.write() as session:
                store.get(session, job_id)
                events.append(session, job_id, "log", {})

    at_once(4, tell)
    with database.read() as session:
        assert [row.sequence for row in events.after(session, job_id, 0)] == list(range(1, 13))


def test_two_workers_rescue_a_job_once(database):
    [job_id] = add(database, job())
    with database.write() as session:
        row = store.get(session, job_id)
        row.status, row.worker_id, row.lease_expires_at = "running", "wrk_gone", now()

    def rescue(_):
        with database.write() as session:
            queue.rescue(session)

    at_once(4, rescue)
    with database.read() as session:
        row = store.get(session, job_id)
        assert (row.status, row.attempt, row.crashes) == ("queued", 2, 1)


@pytest.mark.parametrize(("tag", "found"), [("a", 1), ('"; -- ', 1), ("ä %", 1), ("", 0), ("b", 0)])
def test_rows_are_found_by_a_tag(database, tag, found):
    with database.write() as session:
        row = job()
        row.tags = ["a", '"; -- ', "ä %"]
        session.add(row)
        session.flush()
        assert len(session.scalars(store.matching(None, None, tag)).all()) == found


def test_json_and_times_come_back_as_they_went(database):
    at = now()
    spec = {"text": "ä\u0000\n", "float": 0.1, "list": [1, None, True], "big": 10**30}
    [network_id] = add(database, network(spec=spec, created_at=at))
    with database.read() as session:
        row = session.get(NetworkRow, network_id)
        assert (row.spec, row.created_at, row.template) == (spec, at, None)
        assert session.scalars(select(NetworkRow).where(NetworkRow.template.is_(None))).one() is row


def test_a_reader_cannot_write_on_postgresql(database):
    if database.engine.dialect.name != "postgresql":
        pytest.skip("SQLite's readers are not told apart")
    with database.read() as session:
        session.add(network())
        with pytest.raises(DBAPIError, match="read-only"):
            session.flush()
