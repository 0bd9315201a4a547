"""Which checkpoints of a job are kept, and what becomes of their files."""

import os
import time
from pathlib import Path

import pytest
from hand_made_jobs import claim, point, queued

from app.jobs import checkpoints, queue, store
from app.jobs.queue import LeaseLost
from app.storage import DAY, Storage
from app.sweep import sweep


@pytest.fixture
def storage(tmp_path):
    return Storage(tmp_path / "data")


def write(storage, job, step, *, attempt=None, final=False):
    """A checkpoint's file, and what the job's process says of it."""
    path = storage.checkpoint(job.id, attempt or job.attempt, step, final=final)
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(b"state")
    return {
        "file": str(path.relative_to(storage.root)),
        "epoch": step // 4,
        "step": step,
        "sha256": "0",
        "environment": {"numpy": "2"},
    }


def register(database, storage, job, step, **more):
    with database.write() as session:
        checkpoints.register(session, storage, job, write(storage, job, step, **more))
    with database.read() as session:
        checkpoints.tidy(session, storage, job)


def files(storage, job):
    return sorted(path.name for path in storage.checkpoints_of(job.id).iterdir())


def registered(database, job):
    with database.read() as session:
        return [(row.attempt, row.step) for row in store.checkpoints(session, job.id)]


def test_two_are_kept_with_their_files(database, storage):
    queued(database)
    job = claim(database)
    for step in (4, 8, 12):
        register(database, storage, job, step)
    assert registered(database, job) == [(1, 12), (1, 8)]
    assert files(storage, job) == ["1-12.safetensors", "1-8.safetensors"]
    with database.read() as session:
        states = checkpoints.saved_states(session, storage, job.id)
    assert [state.step for state in states] == [12, 8]
    assert all(state.path.exists() for state in states)


def test_one_that_is_about_to_be_registered_is_left_alone(database, storage):
    queued(database)
    job = claim(database)
    write(storage, job, 12)
    register(database, storage, job, 8)
    assert files(storage, job) == ["1-12.safetensors", "1-8.safetensors"]


def test_a_fenced_attempt_registers_nothing_and_its_files_go(database, storage):
    job_id = queued(database)
    stale = claim(database)
    register(database, storage, stale, 8)
    with database.write() as session:
        queue.give_back(session, stale)
    job = claim(database, "wrk_b")
    assert job.attempt == 2
    with pytest.raises(LeaseLost), database.write() as session:
        checkpoints.register(session, storage, stale, write(storage, stale, 16))
    (storage.checkpoints_of(job_id) / "1-20.safetensors.partial").write_bytes(b"torn")
    register(database, storage, job, 12)
    assert registered(database, job) == [(2, 12), (1, 8)]
    assert files(storage, job) == ["1-8.safetensors", "2-12.safetensors"]


def test_what_a_job_starts_from_is_kept_and_outlives_its_origin(database, storage):
    first, second = queued(database), queued(database)
    job = claim(database)
    register(database, storage, job, 8, final=True)
    with database.write() as session:
        checkpoints.hand_on(
            session, storage, checkpoints.last_state(session, first), store.get(session, second)
        )
    heir = claim(database)
    assert heir.id == second
    for step in (12, 16, 20):
        register(database, storage, heir, step)
    assert registered(database, heir) == [(1, 20), (1, 16), (0, 8)]
    with database.write() as session:
        checkpoints.forget(session, second)
        session.delete(store.get(session, first))
    for path in storage.checkpoints_of(first).iterdir():
        path.unlink()
    assert registered(database, heir) == [(0, 8)]
    assert storage.checkpoint(second, 0, 8).read_bytes() == b"state"


def test_the_sweep_removes_folders_of_jobs_that_are_gone(database, storage):
    queued(database)
    job = claim(database)
    register(database, storage, job, 4)
    gone = storage.checkpoints_of("job_gone")
    gone.mkdir()
    (gone / "1-4.safetensors").write_bytes(b"x")
    for folder in storage.checkpoints.iterdir():
        os.utime(folder, (folder.stat().st_mtime - 2 * DAY,) * 2)
    sweep(database, storage)
    assert [path.name for path in storage.checkpoints.iterdir()] == [job.id]
    assert files(storage, job) == ["1-4.safetensors"]


def test_a_checkpoint_is_never_ahead_of_the_history(database, storage):
    """In the order in which the process tells: the points of all epochs before it, then the checkpoint."""
    queued(database)
    job = claim(database)
    with database.write() as session:
        queue.record(session, job, [point(1), point(2)])
    register(database, storage, job, 8)
    with database.read() as session:
        (row,) = store.checkpoints(session, job.id)
        assert row.epoch <= store.last_epoch(session, job.id)
        assert (storage.root / row.file) == Path(storage.checkpoint(job.id, 1, 8))


def test_a_start_removes_what_a_dead_worker_had_no_time_to_remove(database, storage):
    queued(database)
    job = claim(database)
    register(database, storage, job, 4)
    for step in (8, 12):
        write(storage, job, step)
    folder = storage.checkpoints_of(job.id)
    (folder / "1-16.safetensors.partial").write_bytes(b"st")
    for name in ("1-4.safetensors", "1-8.safetensors", "1-16.safetensors.partial"):
        os.utime(folder / name, (time.time() - 2 * DAY,) * 2)
    sweep(database, storage)
    assert files(storage, job) == ["1-12.safetensors", "1-4.safetensors"]
