"""The whole service on PostgreSQL: real processes, real HTTP, two workers, and a server that goes and comes back."""

import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from serving import PENGUINS, Running

pytestmark = pytest.mark.slow

SMALL = {"epochs": 3, "early_stopping": None}


@pytest.fixture(scope="module")
def running(postgres, tmp_path_factory):
    folder = tmp_path_factory.mktemp("service")
    service = Running(folder / "data", database_url=postgres.create("service"), workers=2)
    yield service
    service.close()


def test_the_whole_main_job(running):
    dataset = running.upload(PENGUINS.read_bytes(), "penguins")
    network = running.client.post(
        "/v1/networks",
        json={"name": "n", "layers": [{"kind": "dense", "units": 8}, {"kind": "relu"}, {"kind": "dense"}]},
    ).json()
    tagged = {"network_id": network["id"], "training": SMALL, "tags": ["first"], "model_name": "birds"}
    job_id = running.launch(dataset, "species", **tagged)
    job = running.until(job_id, "succeeded")
    assert [job["id"] for job in running.client.get("/v1/jobs?tag=first").json()["items"]] == [job_id]

    points = running.client.get(f"/v1/jobs/{job_id}/history").json()["points"]
    assert [point["epoch"] for point in points] == [1, 2, 3]
    stream = running.client.get(f"/v1/jobs/{job_id}/events").text
    assert (stream.count("event: epoch"), stream.count("event: done")) >= (1, 1)

    record = {"island": "Biscoe", "bill_length_mm": 47.5, "flipper_length_mm": 218}
    answer = running.client.post("/v1/models/birds/predict", json={"records": [record]})
    assert answer.json()["model_id"] == job["model_id"]
    assert running.client.delete(f"/v1/datasets/{dataset}").status_code == 204
    assert running.client.get("/v1/models/birds:1").json()["dataset_id"] is None
    assert not (running.data / "backpropd.db").exists()


def test_two_workers_share_the_jobs_and_the_versions_have_no_gap(running):
    dataset = running.upload(PENGUINS.read_bytes(), "penguins")
    jobs = [running.launch(dataset, "species", training=SMALL, model_name="flock") for _ in range(8)]
    ended = [running.until(job_id, "succeeded", "failed") for job_id in jobs]
    assert [(job["status"], job["attempt"]) for job in ended] == [("succeeded", 1)] * 8
    models = running.client.get("/v1/models?name=flock").json()["items"]
    assert sorted(model["version"] for model in models) == list(range(1, 9))


def test_equal_posts_at_once_make_one_job(running):
    dataset = running.upload(PENGUINS.read_bytes(), "penguins")
    body = {"dataset_id": dataset, "target": "species", "training": SMALL, "tags": ["once"]}
    headers = {"Idempotency-Key": "once"}

    def post(_):
        while (answer := running.client.post("/v1/jobs", json=body, headers=headers)).status_code == 503:
            time.sleep(1)  # as Retry-After says: so many at once may have to wait for too long
        assert answer.status_code == 202, answer.text
        return answer.json()["id"]

    with ThreadPoolExecutor(10) as pool:
        answers = list(pool.map(post, range(10)))
    assert len(answers) == 10
    assert len(set(answers)) == 1
    assert len(running.client.get("/v1/jobs?tag=once").json()["items"]) == 1


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "/v1/jobs/%00", None),
        ("GET", "/v1/models/%00", None),
        ("GET", "/v1/datasets?name=%00", None),
        ("GET", "/v1/jobs?tag=%00", None),
        ("POST", "/v1/networks", {"name": "a\u0000b", "layers": [{"kind": "dense", "units": 2}]}),
    ],
)
def test_what_only_postgresql_cannot_keep_is_no_500(running, method, path, body):
    answer = running.client.request(method, path, json=body)
    assert answer.status_code == 422, answer.text


def test_a_database_that_is_away_is_a_503_and_its_return_is_noticed(postgres, running):
    dataset = running.upload(PENGUINS.read_bytes(), "penguins")
    postgres.stop(signal.SIGINT)
    try:
        answer = running.client.get("/v1/datasets")
        assert (answer.status_code, answer.json()["type"]) == (503, "urn:backpropd:busy")
        assert answer.headers["retry-after"]
        assert running.client.get("/healthz").status_code == 200
        assert running.client.get("/readyz").status_code == 503
    finally:
        postgres.start()
    running.wait(lambda: running.client.get("/v1/datasets").is_success)
    job_id = running.launch(dataset, "species", training=SMALL)
    assert running.until(job_id, "succeeded")["attempt"] == 1


def test_without_a_server_the_start_says_so(tmp_path):
    url = f"postgresql://nobody@/x?host={tmp_path}"
    command = [
        sys.executable,
        "-m",
        "app.cli",
        "serve",
        "--data",
        str(tmp_path / "data"),
        "--database-url",
        url,
    ]
    ended = subprocess.run(
        [*command, "--port", "0"], check=False, capture_output=True, text=True, timeout=300
    )
    assert ended.returncode == 1
    assert "backpropd: the database does not answer" in ended.stderr
    assert "Traceback" not in ended.stderr
