"""Only legal changes of a job's status happen, whoever does what in whatever order: against a model."""

import shutil
import tempfile
from itertools import pairwise
from pathlib import Path

import pytest
from hand_made_jobs import point
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from app.database import Database, now
from app.events import store as events
from app.jobs import lifecycle, queue, store
from app.jobs.queue import LeaseLost
from app.jobs.states import FINISHED, MAX_CRASHES, NEXT, IllegalChange, checked
from app.jobs.store import JobRow
from app.problems import Conflict

WORKERS = st.sampled_from(["wrk_a", "wrk_b"])


def test_a_change_that_is_not_in_the_table_is_refused():
    row = JobRow(status="queued")
    row.status = "running"
    row.status = "cancelled"
    with pytest.raises(IllegalChange, match="cancelled cannot become succeeded"):
        row.status = "succeeded"
    assert row.status == "cancelled"
    assert checked(None, "failed") == "failed"


def test_the_table_is_about_every_status():
    assert all(following <= NEXT.keys() for following in NEXT.values())
    assert NEXT.keys() > FINISHED
    assert "succeeded" not in NEXT["cancelled"]
    assert not NEXT["succeeded"]


class Life(RuleBasedStateMachine):
    """One job, two workers, people; `status` and the rest are what the job should be."""

    template: Path
    job_id: str

    def __init__(self):
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        shutil.copy(self.template, self.folder / "life.db")
        self.database = Database(f"sqlite:///{self.folder / 'life.db'}")
        self.status, self.attempt, self.crashes = "queued", 1, 0
        self.cancel_asked = self.pause_asked = False
        self.owner, self.held, self.epoch = None, {}, 0

    def teardown(self):
        self.database.close()
        shutil.rmtree(self.folder)

    def act(self, change):
        with self.database.write() as session:
            return change(session)

    def people(self, action, allowed):
        """Do what people do; a conflict exactly where the model says so."""
        before = self.row()
        if allowed:
            self.act(lambda session: action(session, self.job_id))
            return
        with pytest.raises(Conflict, match=self.status):
            self.act(lambda session: action(session, self.job_id))
        assert self.row() == before

    def row(self):
        with self.database.read() as session:
            row = store.get(session, self.job_id)
            return {name: value for name, value in vars(row).items() if name[0] != "_"}

    def end(self, status):
        self.status, self.owner, self.pause_asked = status, None, False

    def let_go(self):
        if self.cancel_asked:
            self.end("cancelled")
        else:
            self.status = "paused" if self.pause_asked else "queued"
            self.owner, self.pause_asked = None, False
            self.attempt += 1

    @rule()
    def cancel(self):
        self.people(lifecycle.cancel, self.status not in {"succeeded", "failed"})
        if self.status in {"queued", "paused"}:
            self.cancel_asked = True
            self.end("cancelled")
        elif self.status == "running":
            self.cancel_asked = True

    @rule()
    def pause(self):
        self.people(
            lifecycle.pause,
            self.status in {"queued", "paused"} or (self.status == "running" and not self.cancel_asked),
        )
        if self.status == "queued":
            self.status = "paused"
        elif self.status == "running" and not self.cancel_asked:
            self.pause_asked = True

    @rule()
    def resume(self):
        self.people(lifecycle.resume, self.status in {"paused", "queued", "running"})
        if self.status == "paused":
            self.status = "queued"
        self.pause_asked = False

    @rule()
    def retry(self):
        self.people(lifecycle.retry, self.status in {"failed", "cancelled", "queued", "running"})
        if self.status in {"failed", "cancelled"}:
            self.status, self.crashes, self.cancel_asked = "queued", 0, False
            self.attempt += 1
            self.epoch = 0  # there is no checkpoint here

    @rule(worker=WORKERS)
    def claim(self, worker):
        job = self.act(lambda session: queue.claim(session, worker))
        assert (job is not None) == (self.status == "queued")
        if job is not None:
            self.held[worker] = job
            self.status, self.owner = "running", worker
            assert job.attempt == self.attempt

    def worker_does(self, worker, change):
        """Whether it could: only who holds the job changes anything."""
        job = self.held[worker]
        if self.status == "running" and self.owner == worker and job.attempt == self.attempt:
            self.act(lambda session: change(session, job))
            return True
        before = self.row()
        with pytest.raises(LeaseLost):
            self.act(lambda session: change(session, job))
        assert self.row() == before
        return False

    @precondition(lambda self: self.held)
    @rule(data=st.data(), how=st.sampled_from(["succeed", "fail", "give_back", "crash", "record", "cancel"]))
    def work(self, data, how):
        worker = data.draw(st.sampled_from(sorted(self.held)))
        changes = {
            "succeed": lambda session, job: queue.succeed(session, job, "mdl_x", "0"),
            "fail": lambda session, job: queue.fail(session, job, "diverged", "it did"),
            "give_back": queue.give_back,
            "crash": lambda session, job: queue.crash(session, job, "process_died", "it did"),
            "record": lambda session, job: queue.record(session, job, [point(self.epoch + 1)]),
            "cancel": queue.cancel,
        }
        if how == "cancel" and not self.cancel_asked:
            return  # workers cancel what people have asked to be cancelled
        if not self.worker_does(worker, changes[how]):
            return
        match how:
            case "succeed":
                self.end("succeeded")
            case "fail":
                self.end("failed")
            case "cancel":
                self.end("cancelled")
            case "give_back":
                self.let_go()
            case "crash":
                self.crashed()
            case "record":
                self.epoch += 1

    def crashed(self):
        self.crashes += 1
        if self.crashes >= MAX_CRASHES and not self.cancel_asked:
            self.end("failed")
        else:
            self.let_go()

    @rule(late=st.booleans())
    def rescue(self, late):
        """A look for lost workers, after the lease of this one is over or before."""
        with self.database.write() as session:
            row = store.get(session, self.job_id)
            if late and row.lease_expires_at is not None:
                row.lease_expires_at = now() - queue.LEASE
            queue.rescue(session)
        if late and self.status == "running":
            self.crashed()

    @invariant()
    def the_row_is_as_the_model(self):
        row = self.row()
        assert (row["status"], row["attempt"], row["crashes"]) == (self.status, self.attempt, self.crashes)
        assert row["worker_id"] == self.owner
        assert (row["finished_at"] is not None) == (self.status in FINISHED)
        assert (row["lease_expires_at"] is not None) == (self.status == "running")
        assert (row["pause_requested_at"] is not None) == self.pause_asked

    @invariant()
    def the_events_tell_of_legal_changes_alone(self):
        with self.database.read() as session:
            told = events.after(session, self.job_id, 0)
            held = session.query(store.JobInputRow).count()
        numbers = [event.sequence for event in told]
        assert numbers == sorted(set(numbers))
        statuses = [event.data["status"] for event in told if event.kind == "status"]
        for present, following in pairwise(statuses):
            assert following in NEXT[present]
        assert (held == 0) == (self.status in FINISHED)


@pytest.fixture
def with_a_job(service):
    """A database with one queued job."""
    dataset = service.upload_penguins()["id"]
    answer = service.client.post("/v1/jobs", json={"dataset_id": dataset, "target": "sex"})
    return service.settings.data / "backpropd.db", answer.json()["id"]


@pytest.mark.slow
def test_only_legal_changes_happen(with_a_job):
    Life.template, Life.job_id = with_a_job
    run_state_machine_as_test(
        Life,
        settings=settings(
            max_examples=25,
            stateful_step_count=30,
            deadline=None,
            suppress_health_check=[HealthCheck.too_slow],
        ),
    )
