"""The worker's side of the jobs' table: leases, fences, and every way in which a job ends."""

from datetime import timedelta

import pytest

from app.database import Database, now
from app.events import store as events
from app.ids import new_id
from app.jobs import queue, store
from app.jobs.queue import LeaseLost
from app.jobs.store import JobRow, PointRow, WorkerRow


@pytest.fixture
def database(migrated, tmp_path):
    path = tmp_path / "backpropd.db"
    path.write_bytes(migrated.read_bytes())
    database = Database(f"sqlite:///{path}")
    yield database
    database.close()


def queued(database, **values):
    row = JobRow(
        id=new_id("job"),
        status="queued",
        request={"training": {"epochs": 10}},
        network={},
        plan={"rows": {"training": 100}},
        model_name="m",
        task="binary",
        dataset={"name": "d", "sha256": "0"},
        inputs={},
        tags=[],
        priority=values.pop("priority", 0),
        attempt=1,
        created_at=now(),
        **values,
    )
    with database.write() as session:
        session.add(row)
    return row.id


def claim(database, worker="wrk_a"):
    with database.write() as session:
        return queue.claim(session, worker)


def read(database, job_id):
    with database.read() as session:
        row = store.get(session, job_id)
        session.expunge_all()
        return row


def kinds(database, job_id):
    with database.read() as session:
        return [(row.kind, row.data.get("status")) for row in events.after(session, job_id, 0)]


def point(epoch):
    return {
        "epoch": epoch,
        "step": epoch * 4,
        "train_loss": 1 / epoch,
        "validation_loss": None,
        "learning_rate": 0.1,
        "penalty": 0.0,
        "seconds": epoch * 0.5,
        "metrics": {},
    }


def record(database, job, *epochs):
    with database.write() as session:
        queue.record(session, job, [point(epoch) for epoch in epochs])


def test_higher_priority_first_then_the_oldest(database):
    low, first, second = queued(database, priority=-1), queued(database), queued(database)
    high = queued(database, priority=5)
    assert [claim(database).id for _ in range(4)] == [high, first, second, low]
    assert claim(database) is None


def test_a_claimed_job_is_running_under_a_lease(database):
    job_id = queued(database)
    job = claim(database)
    row = read(database, job_id)
    assert (row.status, row.worker_id, job.attempt) == ("running", "wrk_a", 1)
    assert row.lease_expires_at > now() + timedelta(seconds=20)


def test_record_writes_points_progress_and_one_event(database):
    queued(database)
    job = claim(database)
    record(database, job, 1, 2, 3)
    row = read(database, job.id)
    assert row.progress["epoch"] == 3
    assert row.progress["fraction"] == pytest.approx(0.3)
    assert row.progress["eta_seconds"] == pytest.approx(3.5)
    assert row.progress["samples_per_second"] == pytest.approx(200)
    assert row.latest["train_loss"] == pytest.approx(1 / 3)
    assert kinds(database, job.id)[-1] == ("epoch", None)
    with database.read() as session:
        assert [p.epoch for p in store.points(session, job.id, 1, 3, 500)] == [1, 2, 3]


def test_a_cancelled_queued_job_is_never_claimed(database):
    job_id = queued(database)
    with database.write() as session:
        queue.end(session, store.get(session, job_id), "cancelled")
    assert claim(database) is None


@pytest.mark.parametrize(
    "change",
    [
        lambda session, job: queue.record(session, job, [point(1)]),
        queue.renew,
        lambda session, job: queue.succeed(session, job, "mdl_x"),
        lambda session, job: queue.fail(session, job, "code", "detail"),
        queue.cancel,
        queue.give_back,
        queue.cancel_requested,
    ],
)
def test_who_has_lost_the_lease_changes_nothing(database, change):
    job_id = queued(database)
    stale = claim(database)
    expire(database, job_id)
    with database.write() as session:
        queue.rescue(session)
    claim(database, "wrk_b")
    before = vars(read(database, job_id))
    with pytest.raises(LeaseLost), database.write() as session:
        change(session, stale)
    after = vars(read(database, job_id))
    assert {k: v for k, v in before.items() if k[0] != "_"} == {k: v for k, v in after.items() if k[0] != "_"}


def expire(database, job_id):
    with database.write() as session:
        store.get(session, job_id).lease_expires_at = now() - timedelta(seconds=1)


def test_a_lost_worker_s_job_starts_again_once_with_an_empty_history(database):
    job_id = queued(database)
    record(database, claim(database), 1, 2)
    expire(database, job_id)
    with database.write() as session:
        queue.rescue(session)
    row = read(database, job_id)
    assert (row.status, row.attempt, row.progress, row.latest) == ("queued", 2, None, None)
    with database.read() as session:
        assert session.query(PointRow).count() == 0
    assert ("epoch", None) not in kinds(database, job_id)

    claim(database)
    expire(database, job_id)
    with database.write() as session:
        queue.rescue(session)
    row = read(database, job_id)
    assert (row.status, row.error["code"]) == ("failed", "worker_lost")
    assert kinds(database, job_id)[-2:] == [("status", "failed"), ("done", "failed")]


def test_a_live_job_is_not_rescued(database):
    queued(database)
    job = claim(database)
    with database.write() as session:
        queue.rescue(session)
    assert read(database, job.id).status == "running"


def test_a_lost_job_that_was_to_be_cancelled_is_cancelled(database):
    job_id = queued(database)
    claim(database)
    with database.write() as session:
        store.get(session, job_id).cancel_requested_at = now()
    expire(database, job_id)
    with database.write() as session:
        queue.rescue(session)
    assert read(database, job_id).status == "cancelled"


def test_success_completes_the_progress(database):
    queued(database)
    job = claim(database)
    record(database, job, 1)
    with database.write() as session:
        queue.succeed(session, job, "mdl_x")
    row = read(database, job.id)
    assert (row.status, row.model_id, row.progress["fraction"]) == ("succeeded", "mdl_x", 1.0)
    assert row.lease_expires_at is None


@pytest.mark.parametrize(("epochs", "most"), [(1, 1), (10, 10), (10, 3), (1000, 500), (7, 1), (501, 500)])
def test_thinned_history_keeps_both_ends(database, epochs, most):
    queued(database)
    job = claim(database)
    record(database, job, *range(1, epochs + 1))
    with database.read() as session:
        found = [p.epoch for p in store.points(session, job.id, 1, epochs, most)]
    assert len(found) == min(epochs, most)
    assert found == sorted(set(found))
    assert found[-1] == epochs
    if most > 1:
        assert found[0] == 1


def test_workers_are_seen_for_a_while(database):
    with database.write() as session:
        queue.beat(session, WorkerRow(id="wrk_a", pid=1, host="here", started_at=now(), seen_at=now()))
        assert queue.live_workers(session) == 1
        assert queue.live_workers(session, host="elsewhere") == 0
        store.forget_workers(session, now() + timedelta(seconds=1))
        assert queue.live_workers(session) == 0
