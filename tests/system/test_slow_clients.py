"""Clients that send or take too slowly are cut, and those that wait for the service are not."""

import gzip
import json
import socket
import threading
import time

import pytest
from raw_http import answer_to, connect, exchange, read_all
from sqlalchemy import func, select

from app.datasets.store import DatasetRow

pytestmark = pytest.mark.slow

SECONDS = 0.6  # so that 614 bytes must come in that time
LATE = 8  # seconds, by which a cut must have come: the machine may be busy
HEAD = b"Host: localhost\r\n"
POST = b"POST /v1/networks HTTP/1.1\r\n" + HEAD + b"Content-Type: application/json\r\n"


@pytest.fixture(scope="module")
def service(start_service, tmp_path_factory):
    with start_service(tmp_path_factory.mktemp("slow"), slow_client_seconds=SECONDS) as running:
        yield running


def trickle(client: socket.socket, data: bytes, pause: float) -> int:
    """Send byte by byte until the other side has closed or all is sent; how many were sent."""
    for i in range(len(data)):
        try:
            client.sendall(data[i : i + 1])
        except OSError:
            return i
        time.sleep(pause)
    return len(data)


def assert_cut(client: socket.socket, status: int | None) -> None:
    begun = time.monotonic()
    answer = answer_to(client)
    assert answer.closed
    assert answer.status == status
    assert time.monotonic() - begun < LATE
    if status is not None:
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.headers["connection"] == "close"
        assert answer.headers["x-content-type-options"] == "nosniff"
        problem = json.loads(answer.body)
        assert (problem["status"], problem["type"]) == (status, "urn:backpropd:slow_client")


def test_a_connection_on_which_nothing_is_asked_is_closed(service) -> None:
    with connect(service.url, LATE) as client:
        assert_cut(client, None)


@pytest.mark.parametrize("sent", [b"G", b"GET /healthz HTTP/1.1\r\n", b"GET /healthz HTTP/1.1\r\n" + HEAD])
def test_headers_that_stop_are_answered_408(service, sent: bytes) -> None:
    with connect(service.url, LATE) as client:
        client.sendall(sent)
        assert_cut(client, 408)


def test_headers_that_trickle_are_cut(service) -> None:
    with connect(service.url, LATE) as client:
        sent = trickle(client, b"GET /healthz HTTP/1.1\r\nX: " + b"x" * 1000, 0.05)
        assert sent < 500  # at this pace the headers would take 50 seconds
        assert read_all(client)[1]


def test_the_next_headers_on_a_connection_have_a_deadline_too(service) -> None:
    with connect(service.url, 1) as client:
        client.sendall(b"GET /healthz HTTP/1.1\r\n" + HEAD + b"\r\n")
        assert client.recv(1 << 16).startswith(b"HTTP/1.1 200")
        client.settimeout(LATE)
        client.sendall(b"GET /health")
        assert_cut(client, 408)


def test_pipelined_headers_that_stop_are_cut(service) -> None:
    with connect(service.url, LATE) as client:
        client.sendall(b"GET /healthz HTTP/1.1\r\n" + HEAD + b"\r\nGET /healthz HTTP")
        received, closed = read_all(client)
        assert closed
        assert received.count(b"HTTP/1.1 200") == 1
        assert received.count(b"HTTP/1.1 408") == 1


@pytest.mark.parametrize("framing", [b"Content-Length: 100000\r\n", b"Transfer-Encoding: chunked\r\n"])
@pytest.mark.parametrize("expect", [b"", b"Expect: 100-continue\r\n"])
def test_a_body_that_stops_is_answered_408(service, framing: bytes, expect: bytes) -> None:
    with connect(service.url, LATE) as client:
        client.sendall(POST + framing + expect + b"\r\n")
        if expect:
            assert client.recv(1 << 16).startswith(b"HTTP/1.1 100")
        client.sendall(b'5\r\n{"nam' if b"chunked" in framing else b'{"nam')
        assert_cut(client, 408)


def test_a_body_that_trickles_is_cut(service) -> None:
    with connect(service.url, LATE) as client:
        client.sendall(POST + b"Content-Length: 100000\r\n\r\n")
        assert trickle(client, b" " * 1000, 0.02) < 1000  # 50 bytes a second
        assert read_all(client)[1]


def test_a_head_whose_body_stops_is_answered_without_a_body(service) -> None:
    with connect(service.url, LATE) as client:
        client.sendall(b"HEAD /nothing HTTP/1.1\r\n" + HEAD + b"Content-Length: 9\r\n\r\n")
        answer = answer_to(client)
        assert (answer.status, answer.body, answer.closed) == (404, b"", True)


def test_an_upload_that_stops_leaves_nothing(service) -> None:
    request = (
        b"POST /v1/datasets HTTP/1.1\r\n" + HEAD + b"Content-Type: text/csv\r\nContent-Length: 99999\r\n\r\n"
    )
    with connect(service.url, LATE) as client:
        client.sendall(request + b"a,b\n1,2\n")
        assert_cut(client, 408)
    deadline = time.monotonic() + LATE
    while service.files() and time.monotonic() < deadline:
        time.sleep(0.01)
    assert service.files() == []
    with service.context.database.read() as session:
        assert session.scalar(select(func.count()).select_from(DatasetRow)) == 0


def test_a_steady_upload_that_takes_longer_than_the_deadline_is_taken(service) -> None:
    rows = b"a,b\n" + b"1,2\n" * 10_000

    def chunks():
        for start in range(0, len(rows), 4000):
            yield rows[start : start + 4000]
            time.sleep(SECONDS / 4)

    answer = service.client.post("/v1/datasets", content=chunks(), headers={"Content-Type": "text/csv"})
    assert answer.status_code == 201, answer.text
    service.client.delete(answer.headers["Location"])


def test_a_body_after_its_answer_that_stops_is_closed(service) -> None:
    with connect(service.url, LATE) as client:
        client.sendall(b"POST /nothing HTTP/1.1\r\n" + HEAD + b"Content-Length: 100000\r\n\r\nabc")
        answer = answer_to(client)
        assert (answer.status, answer.closed) == (404, True)


def test_an_answer_that_is_not_taken_is_cut(service) -> None:
    with connect(service.url, LATE, receive_buffer=4096) as client:
        request = b"GET /docs/swagger-ui-bundle.js HTTP/1.1\r\n" + HEAD + b"\r\n"
        client.sendall(request * 20)  # more than the buffers of a kernel hold
        connections = _connections(service)
        deadline = time.monotonic() + LATE
        while _connections(service) >= connections and time.monotonic() < deadline:
            time.sleep(0.05)
        assert _connections(service) < connections
        received, closed = read_all(client)
        assert closed
        assert len(received) < 20 << 20


def _connections(service) -> int:
    """Sockets of this process that the service has accepted and not closed."""
    port = int(service.url.rpartition(":")[2])
    with open("/proc/self/net/tcp") as table:  # noqa: PTH123 - no file on a disk
        rows = [line.split() for line in table][1:]
    return sum(row[1].endswith(f":{port:04X}") and row[3] == "01" for row in rows)


def test_events_may_be_silent(service) -> None:
    """A stream in which nothing happens is no slow client."""
    dataset = service.upload(b"x,y\n" + b"1,2\n2,3\n3,4\n" * 4)
    body = {"dataset_id": dataset["id"], "target": "y", "task": "regression"}
    job = service.client.post("/v1/jobs", json=body).json()  # there is no worker: it stays queued
    with service.client.stream("GET", f"/v1/jobs/{job['id']}/events") as response:
        lines = response.iter_lines()
        assert next(lines)
        ended = threading.Timer(4 * SECONDS, service.client.post, (f"/v1/jobs/{job['id']}/cancel",))
        ended.start()
        assert any("done" in line for line in lines)
        ended.join()


@pytest.mark.parametrize(
    ("settings", "taken"),
    [({"max_connections": 3}, 3), ({"max_connections_per_address": 2}, 2)],
    ids=["in all", "of one address"],
)
def test_connections_beyond_the_limit_are_refused(start_service, tmp_path, settings, taken) -> None:
    with start_service(tmp_path / "data", **settings) as service:
        held = [connect(service.url) for _ in range(taken)]
        answer = exchange(service.url, b"")
        assert answer.status == 503
        assert answer.headers["retry-after"] == "1"
        for client in held:
            client.close()
        deadline = time.monotonic() + LATE
        while exchange(service.url, b"GET /healthz HTTP/1.1\r\n" + HEAD + b"\r\n", 1).status != 200:
            assert time.monotonic() < deadline


def test_headers_over_their_limits(service) -> None:
    def status(headers: bytes) -> int | None:
        return exchange(service.url, b"GET /healthz HTTP/1.1\r\n" + HEAD + headers + b"\r\n", 3).status

    assert status(b"X: " + b"x" * 8000 + b"\r\n") == 200
    assert status(b"X: " + b"x" * 20_000 + b"\r\n") == 431
    assert status(b"X: x\r\n" * 90) == 200
    assert status(b"X: x\r\n" * 101) == 431


def test_others_are_answered_while_many_are_slow(service) -> None:
    """What the benchmark measures with a thousand; here only that nobody waits for them."""
    slow = [connect(service.url) for _ in range(100)]
    for client in slow:
        client.sendall(POST + b"Content-Length: 1000\r\n\r\n{")
    for _ in range(20):
        assert service.client.get("/healthz").status_code == 200
    body = gzip.compress(b"a\n1\n")
    headers = {"Content-Type": "text/csv", "Content-Encoding": "gzip"}
    assert service.client.post("/v1/datasets", content=body, headers=headers).status_code == 201
    for client in slow:
        assert answer_to(client).status == 408
        client.close()
