"""Keys with the real thing: made before the service starts, revoked beside it, kept by jobs to their end."""

import subprocess
import sys
from pathlib import Path

import pytest
from serving import Running, bearer, keys

pytestmark = pytest.mark.slow

CSV = b"x,y\n" + b"".join(b"%d,%s\n" % (i, b"ab"[i % 2 :][:1]) for i in range(60))


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return tmp_path_factory.mktemp("access") / "data"


@pytest.fixture(scope="module")
def first(data):
    return bearer(data, "ada", "write")


@pytest.fixture(scope="module")
def running(data, first):
    """A service on all addresses, which it takes since there is a key."""
    running = Running(data, host="0.0.0.0")
    yield running
    running.close()


def test_nobody_gets_in_without_a_key(running):
    for path in ("/v1/jobs", "/metrics", "/v1/audit", "/nothing"):
        assert running.client.get(path).status_code == 401
    assert running.client.get("/readyz").json() == {"status": "ok"}
    assert running.client.post("/v1/keys", json={"owner": "eve", "scope": "admin"}).status_code == 401


def test_a_key_revoked_on_the_command_line_is_refused_by_the_running_service(running, data):
    key_id, headers = bearer(data, "eve", "read")  # made beside the running service, and taken at once
    assert running.client.get("/v1/jobs", headers=headers).status_code == 200
    keys(data, "revoke", key_id)
    assert running.client.get("/v1/jobs", headers=headers).status_code == 401


def test_a_jobs_model_is_its_owners(running, data, first):
    running.client.headers.update(first[1])
    try:
        job = running.launch(running.upload(CSV), "y", training={"epochs": 1}, model_name="mine")
        done = running.until(job, "succeeded", "failed")
        assert done["status"] == "succeeded", done["error"]
        assert running.client.get("/v1/models/mine").json()["job_id"] == job
        others = bearer(data, "bob", "admin")[1]
        for path in ("/v1/models/mine", f"/v1/models/{done['model_id']}", f"/v1/jobs/{job}/history"):
            assert running.client.get(path, headers=others).status_code == 404
    finally:
        del running.client.headers["Authorization"]


def test_no_secret_is_in_the_log_of_the_service(running, first):
    secret = first[1]["Authorization"].rpartition("_")[2]
    running.client.get("/v1/jobs", headers=first[1])
    assert secret not in Path(running.log.name).read_text()


def test_the_demo_gets_in_by_itself(data, first, tmp_path):
    bearer(tmp_path / "data", "ada", "read")
    command = [
        sys.executable,
        "-m",
        "app.cli",
        "demo",
        "--exit",
        "--data",
        str(tmp_path / "data"),
        "--port",
        "0",
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
