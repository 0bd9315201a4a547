"""What a worker is made of."""

import subprocess
import sys

from app.database import now
from app.jobs import queue
from app.jobs.store import WorkerRow
from app.settings import Settings
from app.worker import alive


def test_a_worker_needs_no_fastapi():
    code = "import sys, app.worker; sys.exit('fastapi' in sys.modules or 'uvicorn' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_alive_is_about_workers_of_this_host(service):
    settings = Settings(data=service.settings.data)
    assert not alive(settings)
    with service.context.database.write() as session:
        queue.beat(session, WorkerRow(id="wrk_a", pid=1, host="elsewhere", started_at=now(), seen_at=now()))
    assert not alive(settings)
