"""Webhooks: what is told, signed, tried again, and where nothing is sent."""

import socket
import ssl
import subprocess
import time
from datetime import timedelta
from ipaddress import ip_address
from urllib.parse import urlsplit

import pytest
from hand_made import keep, make
from hand_made_jobs import claim, queued
from keyed import Keyed
from receiver import receiver
from sqlalchemy import select, update

from app.database import now
from app.jobs import queue
from app.settings import Settings
from app.webhooks import outbox, sending
from app.webhooks.destinations import Destinations, NotAllowed
from app.webhooks.store import DeliveryRow


@pytest.fixture(scope="module")
def running(start_service, tmp_path_factory):
    with start_service(
        tmp_path_factory.mktemp("webhooks") / "data", webhook_allowed_hosts="127.0.0.1,localhost"
    ) as service:
        yield service


@pytest.fixture
def service(running):
    """Without webhooks of other tests."""
    yield running
    for hook in running.client.get("/v1/webhooks?limit=100").json()["items"]:
        assert running.client.delete(f"/v1/webhooks/{hook['id']}").status_code == 204


@pytest.fixture
def listening():
    with receiver() as listening:
        yield listening


def subscribe(service, url, *events, status=201):
    answer = service.client.post("/v1/webhooks", json={"url": url, "events": events or ["model.created"]})
    assert answer.status_code == status, answer.text
    return answer.json()


def send(service):
    return sending.send_due(service.context.database, service.settings.destinations)


def told(service, hook):
    return service.client.get(f"/v1/webhooks/{hook['id']}/deliveries").json()["items"]


def make_due(service):
    with service.context.database.write() as session:
        session.execute(update(DeliveryRow).values(due_at=now() - timedelta(seconds=1)))


def test_a_message_is_signed_as_the_standard_says(service, listening):
    hook = subscribe(service, f"{listening.url}/in?a=b", "model.created", "alias.moved")
    model = keep(service.context, make(), "signed")
    service.client.put("/v1/models/signed/aliases/champion", json={"version": 1})
    assert send(service) == 2
    assert send(service) == 0
    bodies = {body["type"]: body for body in listening.verified(hook["secret"])}
    assert bodies["model.created"]["data"]["id"] == model.id
    moved = bodies["alias.moved"]["data"]
    assert (moved["name"], moved["alias"], moved["version"]) == ("signed", "champion", 1)
    assert {headers["Host"] for headers, _ in listening.received} == {listening.url.removeprefix("http://")}
    deliveries = told(service, hook)
    assert [(each["status"], each["attempts"], each["answered"]) for each in deliveries] == [
        ("delivered", 1, 204)
    ] * 2
    assert {headers["webhook-id"] for headers, _ in listening.received} == {each["id"] for each in deliveries}
    assert [each["payload"] for each in deliveries] == [bodies["alias.moved"], bodies["model.created"]]


def test_the_secret_is_shown_once(service):
    hook = subscribe(service, "http://127.0.0.1:9/")
    for answer in (
        service.client.get(f"/v1/webhooks/{hook['id']}"),
        service.client.get("/v1/webhooks"),
        service.client.get("/v1/audit"),
    ):
        assert hook["secret"] not in answer.text
        assert hook["id"] in answer.text


def test_ends_of_jobs_are_told(service, listening):
    hook = subscribe(service, listening.url, "job.failed", "job.cancelled", "job.succeeded")
    database = service.context.database
    queued(database)
    job = claim(database)
    with database.write() as session:
        queue.fail(session, job, "diverged", "the loss is not finite")
    assert send(service) == 1
    [body] = listening.verified(hook["secret"])
    assert body["type"] == "job.failed"
    assert body["data"] == {
        "id": job.id,
        "model_name": "m",
        "status": "failed",
        "error": {"code": "diverged", "detail": "the loss is not finite"},
    }


def test_nothing_is_told_of_what_was_rolled_back(service, listening):
    hook = subscribe(service, listening.url)
    kept = keep(service.context, make(), "rolled")
    with pytest.raises(Exception, match=r"(?i)unique"):
        keep(service.context, make(), "rolled", id=kept.id)
    assert [each["payload"]["data"]["version"] for each in told(service, hook)] == [1]


def test_it_is_tried_again_with_growing_pauses_and_then_given_up(service, listening, monkeypatch):
    monkeypatch.setattr(sending, "PAUSES", (timedelta(seconds=50), timedelta(seconds=500)))
    hook = subscribe(service, listening.url)
    keep(service.context, make(), "again")
    listening.answers += [500, 404, 410]
    for attempt, answered in enumerate(listening.answers.copy(), 1):
        before = now()
        assert send(service) == 1
        [shown] = told(service, hook)
        assert (shown["attempts"], shown["answered"]) == (attempt, answered)
        assert shown["error"] == f"it was answered with {answered}"
        with service.context.database.read() as session:
            due = session.scalar(select(DeliveryRow.due_at).where(DeliveryRow.id == shown["id"]))
        if attempt < 3:
            pause = (50, 500)[attempt - 1]
            assert pause <= (due - before).total_seconds() < pause + 20
            assert send(service) == 0  # not before its time
            make_due(service)
        else:
            assert (shown["status"], due) == ("failed", None)
    make_due(service)
    assert send(service) == 0
    assert len({headers["webhook-id"] for headers, _ in listening.received}) == 1


def test_a_message_that_failed_once_arrives(service, listening):
    hook = subscribe(service, listening.url)
    keep(service.context, make(), "once")
    listening.answers += [503]
    for _ in range(2):
        assert send(service) == 1
        make_due(service)
    [shown] = told(service, hook)
    assert (shown["status"], shown["attempts"], shown["error"]) == ("delivered", 2, None)
    assert len(listening.verified(hook["secret"])) == 2


def test_what_a_dead_sender_took_is_taken_over(service, listening):
    subscribe(service, listening.url)
    keep(service.context, make(), "taken")
    assert len(sending._take(service.context.database)) == 1  # and dies
    assert send(service) == 0
    make_due(service)
    assert send(service) == 1
    assert len(listening.received) == 1


@pytest.mark.parametrize("host", ["a..example.com", "a" * 64 + ".example.com"])
def test_a_name_that_cannot_be_one_stops_nobody(start_service, tmp_path, monkeypatch, host):
    with start_service(tmp_path / "data", webhook_allowed_hosts="*.example.com") as service:
        assert subscribe(service, f"https://{host}/", status=422)["errors"][0]["pointer"] == "/url"
        with monkeypatch.context() as earlier:  # one that was let in before
            earlier.setattr(Destinations, "check", lambda _, url: urlsplit(url))
            hook = subscribe(service, f"https://{host}/")
            keep(service.context, make(), "told")
            assert send(service) == 1
        assert told(service, hook)[0]["error"].startswith("UnicodeError")


def test_whatever_happens_the_sender_goes_on(monkeypatch):
    calls = []

    def fail_once(*_):
        calls.append(None)
        if len(calls) == 1:
            raise RuntimeError("something that nobody thought of")
        return 0

    monkeypatch.setattr(sending, "send_due", fail_once)
    monkeypatch.setattr(sending, "POLL_SECONDS", 0.01)
    sender = sending.Sender(None, Settings())
    sender.start()
    end = time.monotonic() + 20
    while len(calls) < 3 and time.monotonic() < end:
        time.sleep(0.01)
    sender.stop()
    sender.join()
    assert len(calls) >= 3


def test_redirects_are_not_followed(service, listening):
    hook = subscribe(service, listening.url)
    keep(service.context, make(), "moved")
    listening.answers += [307]
    send(service)
    assert len(listening.received) == 1
    assert told(service, hook)[0]["answered"] == 307


def test_a_slow_receiver_is_left(service, monkeypatch):
    monkeypatch.setattr(sending, "SECONDS", 0.2)
    with receiver(seconds=1.0) as slow:
        hook = subscribe(service, slow.url)
        keep(service.context, make(), "slow")
        send(service)
    assert told(service, hook)[0]["error"] == "it took longer than 0.2 seconds"


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """A file with the key and the certificate of `localhost`, which nobody vouches for."""
    file = tmp_path_factory.mktemp("tls") / "localhost.pem"
    command = (
        "openssl req -x509 -newkey rsa:2048 -nodes -keyout - -out - "
        "-subj /CN=localhost -addext subjectAltName=DNS:localhost"
    )
    file.write_bytes(subprocess.run(command.split(), check=True, capture_output=True).stdout)
    return file


@pytest.mark.parametrize(
    ("trusted", "host", "error"),
    [
        (True, "localhost", None),
        (True, "127.0.0.1", "certificate is not valid for '127.0.0.1'"),
        (False, "localhost", "self-signed certificate"),
    ],
)
def test_over_https_the_certificate_counts(service, certificate, monkeypatch, trusted, host, error):
    if trusted:  # as an administrator does it
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate)
    with receiver(tls=tls) as safe:
        hook = subscribe(service, safe.url.replace("127.0.0.1", host))
        keep(service.context, make(), "safe")
        assert send(service) == 1
        [shown] = told(service, hook)
        if error is None:
            assert (shown["status"], shown["error"]) == ("delivered", None)
            assert len(safe.verified(hook["secret"])) == 1
        else:
            assert error in shown["error"]
            assert safe.received == []


def test_only_ones_own_events_are_told(start_service, tmp_path, listening):
    with start_service(tmp_path / "data", webhook_allowed_hosts="127.0.0.1") as service:
        keyed = Keyed(service)
        hooks = {}
        for owner in ("ada", "bob"):
            body = {"url": listening.url, "events": ["model.created"]}
            hooks[owner] = keyed.request("POST", "/v1/webhooks", keyed.key(owner), json=body).json()
            keep(service.context, make(), f"of-{owner}", owner=owner)
        assert send(service) == 2
        for owner, hook in hooks.items():
            path = f"/v1/webhooks/{hook['id']}/deliveries"
            [shown] = keyed.get(keyed.key(owner), path).json()["items"]
            assert shown["payload"]["data"]["name"] == f"of-{owner}"


def test_what_is_kept_is_bounded(service, monkeypatch):
    monkeypatch.setattr(outbox, "MOST_KEPT", 3)
    hook = subscribe(service, "http://127.0.0.1:9/")
    for _ in range(5):
        keep(service.context, make(), "bounded")
    assert [each["payload"]["data"]["version"] for each in told(service, hook)] == [5, 4, 3]
    for _ in range(19):
        subscribe(service, "http://127.0.0.1:9/")
    assert "the most" in subscribe(service, "http://127.0.0.1:9/", status=409)["detail"]


@pytest.mark.parametrize(
    "url",
    [
        "http://example.com/",
        "http://10.0.0.1/",
        "http://user:word@127.0.0.1/",
        "http://127.0.0.1/#x",
        "http://127.0.0.1:99999/",
        "http://[::1/",
        "http://127.0.0.1.example.com/",
        "http://0x7f000001/",
        "ftp://127.0.0.1/",
        "file:///etc/passwd",
        "http://a b/",
        "http:///",
        "http://127.0.0.1/" + "x" * 2000,
    ],
)
def test_where_nothing_is_sent(service, url):
    [error] = subscribe(service, url, status=422)["errors"]
    assert error["pointer"] == "/url"


def test_without_the_setting_there_are_no_webhooks(start_service, tmp_path):
    with start_service(tmp_path / "data") as service:
        detail = subscribe(service, "https://example.com/", status=422)["detail"]
        assert "BACKPROPD_WEBHOOK_ALLOWED_HOSTS names: there are none" in detail


def test_a_name_may_not_lead_into_the_network_behind(service, listening):
    hook = subscribe(service, listening.url.replace("127.0.0.1", "localhost"))
    keep(service.context, make(), "inside")
    only_name = Destinations.named("localhost")
    sending.send_due(service.context.database, only_name)
    assert "not on the internet" in told(service, hook)[0]["error"]
    assert listening.received == []
    make_due(service)
    assert send(service) == 1  # where the address is named too
    assert len(listening.received) == 1


@pytest.mark.parametrize(
    ("address", "may"),
    [
        ("93.184.216.34", True),
        ("2606:2800:220:1::1", True),
        *(
            (address, False)
            for address in (
                "127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0",
                "224.0.0.1", "255.255.255.255", "::1", "::", "fe80::1", "fc00::1", "::ffff:127.0.0.1",
                "64:ff9b::7f00:1", "2002:7f00:1::", "ff02::1",
            )
        ),
    ],
)  # fmt: skip
def test_which_addresses_are_on_the_internet(monkeypatch, address, may):
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    answers = [(family, socket.SOCK_STREAM, 6, "", (address, 443))]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: answers)
    for setting, allowed in (("a.example", may), (f"a.example,{address}", True)):
        try:
            found = Destinations.named(setting).resolve("a.example", 443)
            assert ip_address(found) == ip_address(address)
            assert allowed
        except NotAllowed:
            assert not allowed


def test_how_hosts_are_named():
    named = Destinations.named(" a.example , *.b.example,10.0.0.0/8,::1 ")
    for url in (
        "https://a.example/",
        "https://x.y.b.example:8443/",
        "http://10.9.8.7/",
        "http://[::1]:80/",
        "https://A.EXAMPLE",
    ):
        named.check(url)
    for url in (
        "https://b.example/",
        "https://xa.example/",
        "http://11.0.0.1/",
        "http://[::2]/",
        "https://x.a.example/",
    ):
        with pytest.raises(NotAllowed):
            named.check(url)
    with pytest.raises(ValueError, match="is no host name"):
        Settings(webhook_allowed_hosts="https://a.example")
