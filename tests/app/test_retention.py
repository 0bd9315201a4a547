"""What the settings keep_... forget, and what they never touch."""

from datetime import timedelta

import pytest
from sqlalchemy import func, select

from app import retention
from app.audit.store import AuditRow
from app.chores import ChoreRow
from app.database import now
from app.events import store as events
from app.ids import new_id
from app.jobs import store
from app.jobs.store import CheckpointRow, JobRow, PointRow
from app.retention import retain
from app.settings import Settings
from app.storage import Storage

DAYS = {"keep_history_days": 2, "keep_events_days": 4, "keep_audit_days": 6, "keep_checkpoints": 1}


@pytest.fixture
def storage(tmp_path):
    return Storage(tmp_path / "data")


def add_job(database, storage, *, days=None, status="succeeded"):
    """A job that ended so many days ago, with two points, every kind of event, and three checkpoints."""
    job_id = new_id("job")
    with database.write() as session:
        session.add(
            JobRow(
                id=job_id,
                status="queued",
                request={},
                network={},
                plan={},
                model_name="m",
                task="binary",
                dataset={},
                inputs={},
                tags=[],
                priority=0,
                attempt=1,
                created_at=now(),
                finished_at=None if days is None else now() - timedelta(days=days),
            )
        )
        session.flush()
        session.connection().execute(
            JobRow.__table__.update().where(JobRow.id == job_id).values(status=status)
        )
        store.add_points(session, [point(job_id, epoch) for epoch in (1, 2)])
        for kind in ("status", "epoch", "log", "finding", "done"):
            events.append(session, job_id, kind, {})
        for attempt, step in ((0, 1), (1, 10), (1, 20)):
            path = storage.checkpoint(job_id, attempt, step)
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(b"x")
            session.add(checkpoint(job_id, attempt, step, str(path.relative_to(storage.root))))
    return job_id


def point(job_id, epoch):
    figures = {
        "train_loss": 1.0,
        "validation_loss": None,
        "learning_rate": 0.1,
        "penalty": 0.0,
        "seconds": 1.0,
    }
    return {"job_id": job_id, "epoch": epoch, "step": epoch, "metrics": {}, **figures}


def checkpoint(job_id, attempt, step, file):
    return CheckpointRow(
        job_id=job_id,
        attempt=attempt,
        step=step,
        epoch=1,
        file=file,
        bytes=1,
        sha256="0",
        environment={},
        created_at=now(),
    )


def kept(database, storage, job_id):
    """Points, kinds of events and steps of checkpoints that a job has; of the last, rows and files alike."""
    with database.read() as session:
        points = session.scalar(select(func.count()).where(PointRow.job_id == job_id))
        kinds = [row.kind for row in events.after(session, job_id, 0)]
        files = {row.file for row in store.checkpoints(session, job_id)}
    folder = storage.checkpoints_of(job_id)
    assert files == {str(path.relative_to(storage.root)) for path in folder.iterdir()}
    return points, kinds, sorted(file.rpartition("/")[2].partition(".")[0] for file in files)


ALL = ["status", "epoch", "log", "finding", "done"]


@pytest.mark.parametrize(
    ("days", "points", "kinds"),
    [(1, 2, ALL), (3, 0, ["status", "log", "finding", "done"]), (5, 0, ["status", "done"])],
)
def test_a_finished_job_forgets_by_its_age(database, storage, days, points, kinds):
    job_id = add_job(database, storage, days=days)
    retain(database, storage, Settings(data=storage.root, **DAYS))
    assert kept(database, storage, job_id) == (points, kinds, ["0-1", "1-20"])


@pytest.mark.parametrize("status", ["queued", "running", "paused"])
def test_an_unfinished_job_keeps_everything(database, storage, status):
    job_id = add_job(database, storage, status=status, days=100)  # as one that was tried again
    retain(database, storage, Settings(data=storage.root, **DAYS))
    assert kept(database, storage, job_id) == (2, ALL, ["0-1", "1-10", "1-20"])


def test_by_default_only_spare_checkpoints_go(database, storage):
    job_id = add_job(database, storage, days=10_000)
    add_audit(database, 10_000)
    retain(database, storage, Settings(data=storage.root))
    assert kept(database, storage, job_id) == (2, ALL, ["0-1", "1-20"])
    assert audit_lines(database) == 1


def test_no_checkpoint_is_kept_where_none_is_wanted(database, storage):
    job_id = add_job(database, storage, days=0)
    retain(database, storage, Settings(data=storage.root, keep_checkpoints=0))
    assert kept(database, storage, job_id)[2] == ["0-1"]  # what the job starts from stays as long as the job


def add_audit(database, days):
    at = now() - timedelta(days=days)
    with database.write() as session:
        session.add(AuditRow(id=new_id("aud"), at=at, method="POST", route="/v1/x", ids=[], status=201))


def audit_lines(database):
    with database.read() as session:
        return session.scalar(select(func.count()).select_from(AuditRow))


def test_old_lines_of_the_audit_log_go(database, storage):
    add_audit(database, 5)
    add_audit(database, 7)
    retain(database, storage, Settings(data=storage.root, **DAYS))
    assert audit_lines(database) == 1


def test_it_is_done_once_an_hour_whoever_comes(database, storage):
    settings = Settings(data=storage.root, **DAYS)
    retain(database, storage, settings)
    job_id = add_job(database, storage, days=5)
    retain(database, storage, settings)
    assert kept(database, storage, job_id)[0] == 2
    with database.write() as session:
        session.get(ChoreRow, "retention").done_at = now() - timedelta(hours=1)
    retain(database, storage, settings)
    assert kept(database, storage, job_id)[0] == 0


def test_one_look_takes_little_time_and_the_next_goes_on(database, storage, monkeypatch):
    jobs = [add_job(database, storage, days=3) for _ in range(3)]
    monkeypatch.setattr(retention, "SECONDS", 0.0)
    settings = Settings(data=storage.root, keep_history_days=2, keep_checkpoints=3)
    left = []
    for _ in range(4):
        retain(database, storage, settings)
        left.append(sum(kept(database, storage, job_id)[0] > 0 for job_id in jobs))
        with database.write() as session:
            session.get(ChoreRow, "retention").done_at = now() - timedelta(hours=1)
    assert left == [2, 1, 0, 0]
