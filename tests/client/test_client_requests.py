"""What the client sends, and sends again, to a service that is made up."""

import asyncio
import json

import httpx
import pytest

from backpropd_client import (
    AsyncClient,
    Client,
    Conflict,
    Forbidden,
    Invalid,
    JobFailed,
    NotFound,
    Problem,
    Retries,
    ServerError,
    TooManyRequests,
    Unavailable,
    Unreachable,
)

QUICK = Retries(more=3, first=0.001, longest=0.002)
JOB = {"id": "job_1", "status": "queued", "model_id": None, "training": {"epochs": 4}, "error": None}
DATASET = "ds_" + "0" * 32


class Service:
    """Answers requests with what it was given, one after the other, and keeps them."""

    def __init__(self, *answers):
        self.answers = list(answers)
        self.requests = []

    def __call__(self, request):
        request.read()
        return self._next(request)

    async def serve(self, request):
        await request.aread()
        return self._next(request)

    def _next(self, request):
        self.requests.append(request)
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return httpx.Response(answer.status_code, headers=answer.headers, stream=answer.stream)  # a fresh one

    def sent_keys(self):
        return [request.headers.get("Idempotency-Key") for request in self.requests]


def answered(status=200, body=None, **headers):
    return httpx.Response(
        status,
        json=JOB if body is None else body,
        headers={name.replace("_", "-"): value for name, value in headers.items()},
    )


def problem(status, **fields):
    body = {"type": "urn:backpropd:x", "detail": "no", "instance": "/v1/jobs", **fields}
    return httpx.Response(status, json=body, headers={"Content-Type": "application/problem+json"})


@pytest.fixture(params=["sync", "async"])
def do(request):
    """Runs an operation with either client: `do(service, lambda client: client.x(...))`."""

    def sync(service, operation):
        with Client("http://test", retries=QUICK, transport=httpx.MockTransport(service)) as client:
            return operation(client)

    async def asynchronous(service, operation):
        transport = httpx.MockTransport(service.serve)
        async with AsyncClient("http://test", retries=QUICK, transport=transport) as client:
            return await operation(client)

    if request.param == "sync":
        return sync
    return lambda service, operation: asyncio.run(asynchronous(service, operation))


def read(client):
    return client.jobs.get("job_1")


def create(client):
    return client.train(DATASET, "y")


LOST = httpx.ReadError("gone")
UNSENT = httpx.ConnectError("refused")


@pytest.mark.parametrize("operation", [read, create])
@pytest.mark.parametrize(
    "first", [LOST, UNSENT, httpx.ReadTimeout("late"), *map(problem, (408, 429, 502, 503, 504))]
)
def test_what_does_no_harm_is_sent_again(do, operation, first):
    service = Service(first, answered())
    assert do(service, operation).id == "job_1"
    assert len(service.requests) == 2


def test_a_key_stays_the_same_and_is_another_for_another_request(do):
    service = Service(LOST, problem(503), answered(202))
    do(service, create)
    assert len(set(service.sent_keys())) == 1
    assert service.sent_keys()[0]
    other = Service(answered(202))
    do(other, create)
    assert other.sent_keys()[0] not in service.sent_keys()


def test_a_key_of_ones_own(do):
    service = Service(answered(202))
    do(service, lambda client: client.train(DATASET, "y", idempotency_key="mine"))
    assert service.sent_keys() == ["mine"]


def retry(client):
    return _retry(client)


def _retry(client):
    if isinstance(client, Client):
        return client.jobs.get("job_1").retry()

    async def both():
        return await (await client.jobs.get("job_1")).retry()

    return both()


@pytest.mark.parametrize("first", [LOST, httpx.ReadTimeout("late"), problem(503), problem(504)])
def test_what_may_do_harm_is_sent_once(do, first):
    """Nobody knows whether the job was tried again already: twice is once too often."""
    service = Service(answered(), first)
    with pytest.raises((Unreachable, ServerError)):
        do(service, retry)
    assert len(service.requests) == 2


@pytest.mark.parametrize("first", [UNSENT, httpx.ConnectTimeout("late"), problem(429)])
def test_what_was_not_looked_at_is_sent_again_whatever_it_is(do, first):
    service = Service(answered(), first, answered())
    do(service, retry)
    assert len(service.requests) == 3


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 413, 415, 422, 500, 501, 507])
def test_what_would_be_refused_again_is_not_sent_again(do, status):
    service = Service(problem(status))
    with pytest.raises(Problem) as raised:
        do(service, read)
    assert raised.value.status == status
    assert len(service.requests) == 1


def test_it_gives_up(do):
    service = Service(*[LOST] * 4)
    with pytest.raises(Unreachable, match="gone") as raised:
        do(service, read)
    assert raised.value.__cause__ is LOST
    assert len(service.requests) == 4


def test_it_says_where_nobody_answers():
    with (
        Client("http://127.0.0.1:1", retries=Retries(more=0)) as client,
        pytest.raises(Unreachable, match=r"the service at http://127\.0\.0\.1:1 did not answer: .*refused"),
    ):
        list(client.models)


def test_an_equal_request_in_flight_is_waited_for(do):
    service = Service(answered(409, {"detail": "in flight"}, Retry_After="0"), answered(202))
    do(service, create)
    assert len(service.requests) == 2


def test_a_deletion_whose_answer_was_lost_has_happened(do):
    service = Service(LOST, problem(404))
    do(service, lambda client: client.jobs.delete("job_1"))
    with pytest.raises(NotFound):
        do(Service(problem(404)), lambda client: client.jobs.delete("job_1"))


def test_it_waits_as_long_as_it_is_asked_to():
    retries = Retries(first=0.5, longest=2, longest_asked=60)
    assert retries.pause(1, answered(503, Retry_After="7")) == 7
    assert retries.pause(1, answered(503, Retry_After="61")) is None
    assert retries.pause(1, answered(503, Retry_After="Wed, 21 Oct 2015 07:28:00 GMT")) <= 0.5
    assert retries.pause(1, answered(503, Retry_After="soon")) <= 0.5
    assert all(retries.pause(4, LOST) <= 2 for _ in range(100))
    assert max(retries.pause(2, LOST) for _ in range(100)) > 0.5, "it grows"
    assert len({retries.pause(2, LOST) for _ in range(10)}) > 1, "callers do not come all at once"
    assert retries.pause(5, LOST) is None


@pytest.mark.parametrize(
    ("status", "kind"),
    [(403, Forbidden), (404, NotFound), (409, Conflict), (422, Invalid), (500, ServerError), (418, Problem)],
)
def test_errors_have_types(do, status, kind):
    with pytest.raises(kind) as raised:
        do(Service(problem(status)), read)
    assert type(raised.value) is kind


def test_an_error_says_which_fields_are_wrong(do):
    fields = [{"pointer": "/target", "detail": "no column"}, {"pointer": "", "detail": "odd"}]
    with pytest.raises(Invalid) as raised:
        do(Service(problem(422, detail="two things are wrong", errors=fields)), create)
    error = raised.value
    assert isinstance(error, ValueError)
    assert [(field.pointer, field.detail) for field in error.errors] == [
        ("/target", "no column"),
        ("", "odd"),
    ]
    assert str(error) == "two things are wrong (status 422)\n  /target: no column\n  the body: odd"


def test_an_error_says_when_to_try_again(do):
    refused = httpx.Response(429, json={"detail": "slower"}, headers={"Retry-After": "3600"})
    with pytest.raises(TooManyRequests) as raised:
        do(Service(refused), read)
    assert raised.value.retry_after == 3600


def test_an_answer_of_something_else_is_an_error_too(do):
    page = httpx.Response(503, html="<h1>Bad gateway</h1>")
    with pytest.raises(Unavailable, match="the service answered 503"):
        do(Service(*[page] * 4), read)


@pytest.mark.parametrize(
    ("network", "sent"),
    [
        ([{"kind": "dense"}], {"network": {"layers": [{"kind": "dense"}]}}),
        ({"name": "n", "layers": []}, {"network": {"name": "n", "layers": []}}),
        ("net_1", {"network_id": "net_1"}),
    ],
)
def test_a_job_takes_networks_of_all_sorts(do, network, sent):
    service = Service(answered(202))
    do(service, lambda client: client.train(DATASET, "y", network=network, training={"epochs": 3}))
    body = {"dataset_id": DATASET, "target": "y", "training": {"epochs": 3}, **sent}
    assert json.loads(service.requests[0].content) == body


def test_environment_and_key(monkeypatch):
    monkeypatch.setenv("BACKPROPD_URL", "http://elsewhere:1/base")
    monkeypatch.setenv("BACKPROPD_KEY", "bpd_secret")
    service = Service(answered(), answered())
    with Client(transport=httpx.MockTransport(service)) as client:
        client.jobs.get("job_1")
    with Client("http://here", "bpd_other", transport=httpx.MockTransport(service)) as client:
        client.jobs.get("job_1")
    first, second = service.requests
    assert str(first.url) == "http://elsewhere:1/base/v1/jobs/job_1"
    assert first.headers["Authorization"] == "Bearer bpd_secret"
    assert str(second.url) == "http://here/v1/jobs/job_1"
    assert second.headers["Authorization"] == "Bearer bpd_other"


def test_names_in_addresses_are_quoted(do):
    service = Service(answered())
    do(service, lambda client: client.models.get("a/../b:3"))
    assert service.requests[0].url.raw_path == b"/v1/models/a%2F..%2Fb:3"


class Stream(httpx.SyncByteStream, httpx.AsyncByteStream):
    """Lines, and then an end or an error."""

    def __init__(self, text, error=None):
        self.text, self.error = text, error

    def __iter__(self):
        yield self.text.encode()
        if self.error:
            raise self.error

    async def __aiter__(self):
        for part in self:
            yield part


def events(*numbers, error=None, tail=""):
    kinds = {1: "status", 8: "finding", 9: "done"}
    texts = [f"event: {kinds.get(n, 'epoch')}\ndata: {json.dumps(_data(n))}\nid: {n}\n\n" for n in numbers]
    return httpx.Response(200, stream=Stream(": hello\n\n" + "".join(texts) + tail, error))


def _data(number):
    point = {
        "epoch": number - 1,
        "train_loss": 1 / number,
        "validation_loss": None,
        "learning_rate": 0.1,
        "seconds": 2.0 * (number - 1),
        "metrics": {},
    }
    if number == 8:
        return {"severity": "warning", "title": "the loss grows"}
    return {"points": [point]} if 1 < number < 8 else {"status": "succeeded" if number == 9 else "queued"}


def follow(client):
    if isinstance(client, Client):
        return [event.id for event in client.jobs.get("job_1").events()]

    async def both():
        job = await client.jobs.get("job_1")
        return [event.id async for event in job.events()]

    return both()


def test_events_come_once_each_over_broken_connections(do):
    service = Service(
        answered(),
        events(1, 2, error=LOST, tail='event: epoch\ndata: {"points"'),  # cut within an event
        UNSENT,
        events(3),  # ended before the job did
        problem(503),
        events(4, 9),
    )
    assert do(service, follow) == ["1", "2", "3", "4", "9"]
    asked = [request.headers.get("Last-Event-ID") for request in service.requests[1:]]
    assert asked == [None, "2", "2", "3", "3"]


@pytest.mark.parametrize(
    ("last", "error"), [(problem(404), NotFound), (problem(503), Unavailable), (LOST, Unreachable)]
)
def test_following_ends_where_nothing_more_comes(do, last, error):
    service = Service(answered(), events(1), *[last] * 13)
    with pytest.raises(error):
        do(service, follow)


def test_a_failed_job_says_why():
    failed = {**JOB, "status": "failed", "error": {"code": "out_of_memory", "detail": "too much"}}
    service = Service(answered(), events(1, 9), answered(200, failed))
    with (
        Client("http://test", transport=httpx.MockTransport(service)) as client,
        pytest.raises(JobFailed, match=r"job job_1 failed \(out_of_memory\): too much"),
    ):
        client.jobs.get("job_1").wait()


def test_progress_goes_to_a_callback_or_onto_a_line(capsys):
    done = answered(200, {**JOB, "status": "succeeded", "model_id": "mdl_1"})
    model = answered(200, {"id": "mdl_1", "name": "m", "version": 1})
    for progress in (seen := []).append, True:
        service = Service(answered(), events(1, 2, 3, 8, 9), done, model)
        with Client("http://test", transport=httpx.MockTransport(service)) as client:
            client.jobs.get("job_1").wait(progress=progress)
    assert [(now.epoch, now.epochs, now.train_loss, now.eta_seconds) for now in seen] == [
        (1, 4, 0.5, 6.0),
        (2, 4, 1 / 3, 4.0),
    ]
    lines = capsys.readouterr().err.splitlines()
    assert lines == [
        "epoch 1/4  loss 0.5  eta 6 s",
        "warning: the loss grows",
        "succeeded  epoch 2/4  loss 0.3333",
    ]


def test_waiting_has_an_end():
    service = Service(answered(), events(1), *[problem(503)] * 100)
    quick = Retries(more=100, first=0.01, longest=0.02)
    with (
        Client("http://test", retries=quick, transport=httpx.MockTransport(service)) as client,
        pytest.raises(TimeoutError, match="it goes on"),
    ):
        client.jobs.get("job_1").wait(timeout=0.05)
