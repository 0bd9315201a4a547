"""Whether the service lives, can work, and what it counts."""

import shutil
from datetime import timedelta

import pytest

from app.database import now
from app.jobs.store import WorkerRow

OK = {"database": "ok", "storage": "ok", "worker": "ok"}
NO_WORKER = "no worker was seen in the last 30 seconds"


def worker_seen(service, ago):
    with service.context.database.write() as session:
        seen = now() - timedelta(seconds=ago)
        session.add(WorkerRow(id=f"wrk_{ago}", pid=1, host="h", started_at=seen, seen_at=seen))


def readiness(service):
    response = service.client.get("/readyz")
    return response.status_code, response.json()


def test_alive_without_anything(service):
    shutil.rmtree(service.context.storage.root)
    response = service.client.get("/healthz")
    assert (response.status_code, response.json()) == (200, {"status": "ok"})


def test_ready_with_a_live_worker(service):
    assert readiness(service) == (503, {"status": "unavailable", "checks": OK | {"worker": NO_WORKER}})
    worker_seen(service, 40)
    assert readiness(service)[0] == 503
    worker_seen(service, 20)
    assert readiness(service) == (200, {"status": "ok", "checks": OK})
    assert service.files() == []


def test_not_ready_without_storage(service):
    worker_seen(service, 1)
    shutil.rmtree(service.context.storage.tmp)
    checks = OK | {"storage": "the data folder cannot be written"}
    assert readiness(service) == (503, {"status": "unavailable", "checks": checks})


@pytest.mark.sqlite
def test_not_ready_without_a_database(service):
    service.context.database.engine.dispose()
    (service.context.storage.root / "backpropd.db").write_bytes(b"no database" * 1000)
    silent = "the database does not answer"
    checks = OK | {"database": silent, "worker": silent}
    assert readiness(service) == (503, {"status": "unavailable", "checks": checks})


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
def test_metrics(service, host):
    worker_seen(service, 1)
    for path in ("/healthz", "/v1/networks/net_x", "/v1/networks/net_y", "/no/such/path", "/another"):
        service.client.get(path)
    response = service.client.get("/metrics", headers={"Host": host})
    assert response.headers["content-type"].startswith("text/plain; version=")
    lines = response.text.splitlines()
    assert 'backpropd_http_requests_total{method="GET",route="/healthz",status="200"} 1.0' in lines
    route = "/v1/networks/{network_id}"
    assert f'backpropd_http_requests_total{{method="GET",route="{route}",status="404"}} 2.0' in lines
    assert 'backpropd_http_requests_total{method="GET",route="unknown",status="404"} 2.0' in lines
    assert "backpropd_live_workers 1.0" in lines
    assert response.text.endswith("\n")
