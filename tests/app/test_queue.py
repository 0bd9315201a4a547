"""The worker's side of the jobs' table: leases, fences, and every way in which a job ends."""

from datetime import timedelta

import pytest
from hand_made_jobs import claim, point, queued

from app.database import now
from app.events import store as events
from app.jobs import queue, store
from app.jobs.queue import LeaseLost
from app.jobs.store import PointRow, WorkerRow


def read(database, job_id):
    with database.read() as session:
        row = store.get(session, job_id)
        session.expunge_all()
        return row


def kinds(database, job_id):
    with database.read() as session:
        return [(row.kind, row.data.get("status")) for row in events.after(session, job_id, 0)]


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
        queue.asked,
        queue.owner,
        lambda session, job: queue.crash(session, job, "code", "detail"),
        lambda session, job: queue.find(session, job, [{}]),
        lambda session, job: queue.log(session, job, "said"),
        lambda session, job: queue.took_effect(session, job, 0, [1]),
        lambda session, job: queue.resumed(session, job, 1, 1, environment_changed=True),
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


def crash(database, job_id):
    """A worker that claims the job and dies."""
    claim(database)
    expire(database, job_id)
    with database.write() as session:
        queue.rescue(session)


def test_a_lost_worker_s_job_is_queued_again_with_its_history(database):
    job_id = queued(database)
    record(database, claim(database), 1, 2)
    expire(database, job_id)
    with database.write() as session:
        queue.rescue(session)
    row = read(database, job_id)
    assert (row.status, row.attempt, row.crashes, row.progress["epoch"]) == ("queued", 2, 1, 2)
    assert kinds(database, job_id)[-2:] == [("log", None), ("status", "queued")]
    job = claim(database)
    record(database, job, 1, 2)  # from the checkpoint that was before them
    record(database, job, 2, 3)
    with database.read() as session:
        assert [p.epoch for p in session.query(PointRow).order_by(PointRow.epoch)] == [1, 2, 3]
        told = [row.data for row in events.after(session, job_id, 0) if row.kind == "epoch"]
    assert told == [{"first": 1, "last": 2}, {"first": 3, "last": 3}]


def test_three_crashes_fail_the_job_and_the_queue_moves_on(database):
    job_id, other = queued(database), queued(database, priority=-1)
    crash(database, job_id)
    crash(database, job_id)
    job = claim(database)
    assert job.attempt == 3
    with database.write() as session:
        queue.crash(session, job, "process_died", "the job's process died: signal SIGKILL")
    row = read(database, job_id)
    assert (row.status, row.crashes, row.error["code"]) == ("failed", 3, "process_died")
    assert "3 times" in row.error["detail"]
    assert "SIGKILL" in row.error["detail"]
    assert kinds(database, job_id)[-2:] == [("status", "failed"), ("done", "failed")]
    assert claim(database).id == other


def test_what_is_given_back_is_no_crash(database):
    queued(database)
    for attempt in range(1, 6):
        job = claim(database)
        assert job.attempt == attempt
        with database.write() as session:
            queue.give_back(session, job)
    assert read(database, job.id).crashes == 0


def test_what_is_given_back_is_where_people_want_it(database):
    job_id = queued(database)
    job = claim(database)
    with database.write() as session:
        store.get(session, job_id).pause_requested_at = now()
        queue.give_back(session, job)
    row = read(database, job_id)
    assert (row.status, row.pause_requested_at, row.worker_id) == ("paused", None, None)
    assert claim(database) is None


def test_seconds_count_over_attempts_up_to_the_last_sign_of_life(database):
    job_id = queued(database)
    claim(database)
    with database.write() as session:
        row = store.get(session, job_id)
        row.claimed_at, row.lease_expires_at = now() - timedelta(seconds=100), now() - timedelta(seconds=20)
        queue.rescue(session, timedelta(seconds=30))
    assert read(database, job_id).spent_seconds == pytest.approx(50, abs=1)
    job = claim(database)
    assert job.spent_seconds == pytest.approx(50, abs=1)
    with database.write() as session:
        store.get(session, job_id).claimed_at = now() - timedelta(seconds=7)
        queue.give_back(session, job)
    assert read(database, job_id).spent_seconds == pytest.approx(57, abs=1)


def test_a_worker_that_overslept_keeps_a_job_that_nobody_took(database):
    job_id = queued(database)
    job = claim(database)
    expire(database, job_id)
    with database.write() as session:
        queue.renew(session, job)
        queue.rescue(session)
    assert read(database, job_id).status == "running"


def test_jobs_of_one_host_fit_into_its_memory(database):
    at = now()
    for worker, host in (("wrk_a", "here"), ("wrk_b", "here"), ("wrk_c", "there")):
        with database.write() as session:
            queue.beat(session, WorkerRow(id=worker, pid=1, host=host, started_at=at, seen_at=at))
    large, next_one = queued(database, memory_bytes=900), queued(database, memory_bytes=200)
    small = queued(database, memory_bytes=1)

    def take(worker):
        with database.write() as session:
            job = queue.claim(session, worker, total_memory=500)
            return job and job.id

    assert take("wrk_a") == large  # alone, although it is more than all
    assert take("wrk_b") is None  # and the small one does not overtake the one before it
    assert take("wrk_c") == next_one
    assert take("wrk_c") == small
    assert take("wrk_b") is None


def test_findings_are_kept_and_told(database):
    queued(database)
    job = claim(database)
    with database.write() as session:
        queue.find(session, job, [{"code": "a"}, {"code": "b"}])
        queue.find(session, job, [{"code": "c"}])
    assert [finding["code"] for finding in read(database, job.id).findings] == ["a", "b", "c"]
    assert [kind for kind, _ in kinds(database, job.id)].count("finding") == 3


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
