"""What a worker is made of."""

import shutil
import subprocess
import sys

import pytest

from app.database import now
from app.jobs import queue
from app.jobs.store import WorkerRow
from app.settings import Settings
from app.worker import Worker, alive


@pytest.mark.slow
def test_a_worker_needs_no_fastapi():
    code = "import sys, app.worker; sys.exit('fastapi' in sys.modules or 'uvicorn' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


class Waiting:
    """A job's process that waits, or has died."""

    def __init__(self, *, dead=False):
        self.dead, self.begun, self.ended = dead, False, False

    def begin(self, run):
        if self.dead:
            raise BrokenPipeError
        self.begun = True

    def end(self):
        self.ended = True


def test_a_waiting_process_that_died_is_replaced_at_the_hand_over(tmp_path, migrated, monkeypatch):
    shutil.copy(migrated, tmp_path / "backpropd.db")
    worker = Worker(Settings(data=tmp_path))
    dead, fresh = Waiting(dead=True), Waiting()
    worker._spare = dead
    monkeypatch.setattr("app.worker.JobProcess", lambda: fresh)
    assert worker._begin(object()) is fresh
    assert (dead.ended, fresh.begun, worker._spare) == (True, True, None)
    worker._wake.close()
    worker._database.close()


def test_alive_is_about_workers_of_this_host(service):
    settings = service.settings
    assert not alive(settings)
    with service.context.database.write() as session:
        queue.beat(session, WorkerRow(id="wrk_a", pid=1, host="elsewhere", started_at=now(), seen_at=now()))
    assert not alive(settings)
