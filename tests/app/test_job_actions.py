"""What people may do with a job, over HTTP, with the queue's functions in a worker's place."""

from typing import Any

import pytest

from app.jobs import checkpoints, queue, store

NETWORK = {"layers": [{"kind": "dense", "units": 4}, {"kind": "relu"}, {"kind": "dense"}]}
WORKER = "wrk_test"


@pytest.fixture(scope="module")
def running(start_service, tmp_path_factory):
    with start_service(tmp_path_factory.mktemp("actions") / "data") as service:
        yield service


@pytest.fixture(scope="module")
def penguins(running):
    return running.upload_penguins()["id"]


@pytest.fixture
def job(running, penguins):
    """A new job: the only one in the queue. It is out of it in the end."""
    body = {"dataset_id": penguins, "target": "species", "network": NETWORK, "training": {"epochs": 10}}
    response = running.client.post("/v1/jobs", json=body)
    assert response.status_code == 202, response.text
    yield response.json()["id"]
    with running.context.database.write() as session:
        for row in session.query(store.JobRow).where(
            store.JobRow.status.in_(("queued", "paused", "running"))
        ):
            queue.end(session, row, "cancelled")


def act(service, job_id, action, status=200, **body):
    response = service.client.post(f"/v1/jobs/{job_id}/{action}", json=body or None)
    assert response.status_code == status, response.text
    return response.json()


def show(service, job_id):
    return service.client.get(f"/v1/jobs/{job_id}").json()


def work(service, *steps):
    """Claim the job and do what a worker does; each step is a transaction."""
    with service.context.database.write() as session:
        held = queue.claim(session, WORKER)
    for step in steps:
        with service.context.database.write() as session:
            step(session, held)
    return held


def point(epoch):
    return {
        "epoch": epoch,
        "step": epoch * 9,
        "train_loss": 1.0,
        "validation_loss": 1.0,
        "learning_rate": 0.1,
        "penalty": 0.0,
        "seconds": 0.1 * epoch,
        "metrics": {},
    }


def save(service, epoch, *, final=False):
    """A step of `work`: a checkpoint after an epoch."""

    def step(session, held):
        storage = service.context.storage
        path = storage.checkpoint(held.id, held.attempt, epoch * 9, final=final)
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"state")
        written: dict[str, Any] = {
            "file": str(path.relative_to(storage.root)),
            "epoch": epoch,
            "step": epoch * 9,
            "sha256": "0" * 64,
            "environment": {},
        }
        checkpoints.register(session, storage, held, written)

    return step


def record(*epochs):
    return lambda session, held: queue.record(session, held, [point(epoch) for epoch in epochs])


def diverge(session, held):
    queue.fail(session, held, "diverged", "the loss is no finite number")


def run_out_of_time(session, held):
    queue.fail(session, held, "time_limit", "too long")


def succeed(session, held):
    queue.succeed(session, held, "mdl_x", "a" * 64)


def finish(service, *, changes=()):
    """Run the queued job to its success, with its last state."""
    applied = (lambda session, held: queue.took_effect(session, held, 0, list(changes)),) if changes else ()
    return work(
        service, record(1, 2), *applied, record(*range(3, 11)), save(service, 10, final=True), succeed
    )


def test_a_queued_job_pauses_and_resumes_at_once(running, job):
    for _ in range(2):
        assert act(running, job, "pause")["status"] == "paused"
    with running.context.database.write() as session:
        assert queue.claim(session, WORKER) is None
    for _ in range(2):
        assert act(running, job, "resume")["status"] == "queued"
    assert show(running, job)["attempt"] == 1


def test_a_running_job_is_asked_to_pause(running, job):
    held = work(running, record(1), save(running, 1))
    asked = act(running, job, "pause")
    assert (asked["status"], asked["pause_requested_at"] is None) == ("running", False)
    assert act(running, job, "pause")["pause_requested_at"] == asked["pause_requested_at"]
    with running.context.database.write() as session:
        assert queue.asked(session, held).pause
        queue.give_back(session, held)
    paused = show(running, job)
    assert (paused["status"], paused["attempt"], paused["crashes"]) == ("paused", 2, 0)
    (kept,) = running.client.get(f"/v1/jobs/{job}/checkpoints").json()["items"]
    assert (kept["attempt"], kept["epoch"], kept["step"]) == (1, 1, 9)
    assert act(running, job, "resume")["status"] == "queued"


def test_a_resume_takes_back_a_pause_that_is_asked_for(running, job):
    held = work(running)
    act(running, job, "pause")
    assert act(running, job, "resume")["pause_requested_at"] is None
    with running.context.database.write() as session:
        queue.give_back(session, held)
    assert show(running, job)["status"] == "queued"


def test_a_paused_job_keeps_its_data_set_until_it_is_cancelled(service):
    dataset = service.upload_penguins()["id"]
    job = service.client.post("/v1/jobs", json={"dataset_id": dataset, "target": "sex"}).json()["id"]
    act(service, job, "pause")
    assert service.client.delete(f"/v1/datasets/{dataset}").status_code == 409
    assert act(service, job, "cancel")["status"] == "cancelled"
    assert service.client.delete(f"/v1/datasets/{dataset}").status_code == 204
    for action in ("retry",):
        assert "deleted" in act(service, job, action, 409)["detail"]
    assert show(service, job)["status"] == "cancelled"


@pytest.mark.parametrize(
    ("end", "illegal"),
    [
        (succeed, ("cancel", "pause", "resume", "retry")),
        (diverge, ("cancel", "pause", "resume", "replay", "continue")),
    ],
)
def test_what_is_illegal_names_the_status(running, job, end, illegal):
    work(running, record(1), end)
    status = show(running, job)["status"]
    for action in illegal:
        body = {"epochs": 1} if action == "continue" else {}
        assert status in act(running, job, action, 409, **body)["detail"]
    response = running.client.patch(f"/v1/jobs/{job}", json={"epochs": 20})
    assert response.status_code == 409
    assert status in response.json()["detail"]


def test_a_cancelled_running_job_cannot_be_paused(running, job):
    work(running)
    act(running, job, "cancel")
    assert "running" in act(running, job, "pause", 409)["detail"]


def test_a_retry_goes_on_from_the_last_checkpoint(running, job):
    work(running, record(1, 2), save(running, 2), run_out_of_time)
    retried = act(running, job, "retry")
    assert (retried["id"], retried["status"], retried["attempt"]) == (job, "queued", 2)
    assert (retried["error"], retried["finished_at"]) == (None, None)
    assert act(running, job, "retry")["attempt"] == 2
    assert len(running.client.get(f"/v1/jobs/{job}/history").json()["points"]) == 2
    held = work(running)
    assert held.spent_seconds == 0


def test_the_stream_of_a_retried_job_ends_with_its_last_end(running, job):
    work(running, record(1, 2), save(running, 2), run_out_of_time)
    act(running, job, "retry")
    work(running, record(3), succeed)
    response = running.client.get(f"/v1/jobs/{job}/events")
    kinds = [
        line.removeprefix("event: ") for line in response.text.splitlines() if line.startswith("event: ")
    ]
    assert kinds.count("done") == 1
    assert kinds[-2:] == ["status", "done"]
    assert "succeeded" in response.text.rpartition("done")[2]
    ids = [int(line.removeprefix("id: ")) for line in response.text.splitlines() if line.startswith("id: ")]
    assert ids == sorted(set(ids))


def test_a_retry_after_divergence_begins_again_without_changes(running, job):
    running.client.patch(f"/v1/jobs/{job}", json={"learning_rate": 100})
    work(
        running,
        record(1),
        save(running, 1),
        lambda session, held: queue.took_effect(session, held, 0, [9]),
        diverge,
    )
    retried = act(running, job, "retry")
    assert (retried["attempt"], retried["changes"], retried["progress"]) == (2, [], None)
    assert running.client.get(f"/v1/jobs/{job}/history").json()["points"] == []
    assert running.client.get(f"/v1/jobs/{job}/checkpoints").json()["items"] == []


@pytest.mark.parametrize(
    ("change", "pointer", "words"),
    [
        ({}, "", "at least one"),
        ({"colour": 1}, "/colour", "unknown field"),
        ({"learning_rate": 0}, "/learning_rate", "greater than 0"),
        ({"epochs": 2}, "/epochs", "3 epochs are done"),
        ({"epochs": 10**9}, "/epochs", "1000000"),
        ({"patience": 0}, "/patience", "greater than 0"),
    ],
)
def test_a_change_that_makes_no_sense(running, job, change, pointer, words):
    work(running, record(1, 2, 3))
    response = running.client.patch(f"/v1/jobs/{job}", json=change)
    assert response.status_code == 422, response.text
    (error,) = response.json()["errors"]
    assert error["pointer"] == pointer
    assert words in error["detail"]
    assert show(running, job)["changes"] == []


def test_patience_needs_early_stopping(running, penguins):
    body = {"dataset_id": penguins, "target": "sex", "training": {"early_stopping": None}}
    job = running.client.post("/v1/jobs", json=body).json()["id"]
    response = running.client.patch(f"/v1/jobs/{job}", json={"patience": 3})
    assert response.status_code == 422
    assert response.json()["errors"][0]["pointer"] == "/patience"
    act(running, job, "cancel")


def test_a_change_tells_the_step_once_it_has_taken_effect(running, job):
    answer = running.client.patch(f"/v1/jobs/{job}", json={"epochs": 30, "learning_rate": 0.5}).json()
    (asked,) = answer["changes"]
    assert (asked["epochs"], asked["learning_rate"], asked["patience"], asked["step"]) == (
        30,
        0.5,
        None,
        None,
    )
    held = work(running, lambda session, held: queue.took_effect(session, held, 0, [0]), record(1, 2, 3))
    assert held.changes[0]["epochs"] == 30
    told = show(running, job)
    assert told["changes"][0]["step"] == 0
    assert (told["progress"]["epochs"], told["progress"]["fraction"]) == (30, pytest.approx(0.1))


def test_a_replay_has_the_same_request_and_changes(running, job):
    running.client.patch(f"/v1/jobs/{job}", json={"learning_rate": 0.5})
    finish(running, changes=[18])
    first = show(running, job)
    answer = running.client.post(f"/v1/jobs/{job}/replay", headers={"Idempotency-Key": "once"})
    replay = answer.json()
    assert answer.headers["location"] == f"/v1/jobs/{replay['id']}"
    again = running.client.post(f"/v1/jobs/{job}/replay", headers={"Idempotency-Key": "once"})
    assert again.json()["id"] == replay["id"]
    assert replay["replay"] == {"of": job, "weights_sha256": "a" * 64, "equal": None}
    assert replay["model_name"] == f"{first['model_name']}-replay"
    for name in ("training", "network", "target", "changes", "plan"):
        assert replay[name] == first[name]
    held = work(running, lambda session, held: queue.succeed(session, held, "mdl_y", "b" * 64))
    assert held.id == replay["id"]
    assert show(running, held.id)["replay"]["equal"] is False


def test_a_continuation_starts_from_the_last_state(running, job):
    finish(running)
    answer = act(running, job, "continue", 202, epochs=5, learning_rate=0.01)
    assert (answer["continues"], answer["status"]) == (job, "queued")
    (change,) = answer["changes"]
    assert (change["epochs"], change["learning_rate"], change["patience"]) == (15, 0.01, 25)
    (start,) = running.client.get(f"/v1/jobs/{answer['id']}/checkpoints").json()["items"]
    assert (start["attempt"], start["epoch"]) == (0, 10)
    assert running.client.delete(f"/v1/jobs/{job}").status_code == 204
    storage = running.context.storage
    assert not storage.checkpoints_of(job).exists()
    assert storage.checkpoint(answer["id"], 0, 90).exists()
    work(running, record(11, 12))
    history = running.client.get(f"/v1/jobs/{answer['id']}/history").json()["points"]
    assert [each["epoch"] for each in history] == [11, 12]
    assert show(running, answer["id"])["progress"]["fraction"] == pytest.approx(2 / 5)


def test_a_continuation_without_a_last_state(running, job):
    work(running, record(1), succeed)
    assert "not kept" in act(running, job, "continue", 409, epochs=5)["detail"]


def test_a_continuation_of_too_many_epochs(running, job):
    finish(running)
    response = running.client.post(f"/v1/jobs/{job}/continue", json={"epochs": 1_000_000})
    assert response.status_code == 422
    assert response.json()["errors"][0]["pointer"] == "/epochs"


@pytest.mark.parametrize("action", ["cancel", "pause", "resume", "retry", "replay"])
def test_an_action_on_a_job_that_is_not_there(running, action):
    act(running, "job_nope", action, 404)


def test_a_start_that_is_no_model(running, penguins):
    body = {"dataset_id": penguins, "target": "species", "start_from": "nope"}
    response = running.client.post("/v1/jobs", json=body)
    assert response.status_code == 422
    assert response.json()["errors"][0]["pointer"] == "/start_from"


def test_a_memory_limit_that_the_plan_does_not_keep(running, penguins):
    body = {"dataset_id": penguins, "target": "species", "limits": {"memory_bytes": 1000}}
    response = running.client.post("/v1/jobs", json=body)
    assert response.status_code == 422
    (error,) = response.json()["errors"]
    assert error["pointer"] == "/limits/memory_bytes"
    assert "training needs about" in error["detail"]
