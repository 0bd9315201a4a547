"""Attack requests, one a line, against one running service.

Each is answered with a status of the kind that is expected, leaves nothing behind, and the service goes on answering.
Real incidents of other services stand behind many: paths as names (MLflow CVE-2023-1177, CVE-2024-1560; H2O-3
CVE-2023-6038, CVE-2023-6016), addresses to fetch from (TorchServe CVE-2023-43654, H2O-3 CVE-2024-7765), jobs that
run what they are given (Ray CVE-2023-48022), pickles (BentoML CVE-2025-27520, Keras CVE-2024-3660), chunked
bodies without end (Triton CVE-2025-23310).
"""

import gzip
import io
import json
import pickle
import re
import threading
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from raw_http import exchange
from serving import PENGUINS, Running

pytestmark = pytest.mark.slow

JSON = "Content-Type: application/json"
CSV = "Content-Type: text/csv"
GZIP = "Content-Encoding: gzip"
HOST = "Host: localhost"
UPLOAD = "/v1/datasets"
PLAIN = b"a,b\n1,2\n"
REFUSED = range(400, 500)


def raw(line: str, *headers: str, body: bytes = b"", host: str | None = HOST) -> bytes:
    """A request as its bytes; nothing is added but the Host."""
    lines = [line, *([host] if host else []), *headers]
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body


def get(target: str, *headers: str) -> bytes:
    return raw(f"GET {target} HTTP/1.1", *headers)


def post(target: str, body: bytes = b"", *headers: str) -> bytes:
    return raw(f"POST {target} HTTP/1.1", f"Content-Length: {len(body)}", *headers, body=body)


def job(**fields: Any) -> bytes:
    return post("/v1/jobs", json.dumps({"dataset_id": "ds_0", "target": "b", **fields}).encode(), JSON)


def network(*layers: Any) -> bytes:
    return post("/v1/networks", json.dumps({"name": "n", "layers": layers}).encode(), JSON)


def predict(body: bytes, *headers: str) -> bytes:
    return post("/v1/models/species-penguins/predict", body, *(headers or (JSON,)))


def npy() -> bytes:
    np.save(buffer := io.BytesIO(), np.ones(2))
    return buffer.getvalue().replace(b"(2,), ", b"(9999999999,), ")


class Exploit:
    def __reduce__(self) -> tuple[Any, ...]:
        return (Path("/tmp/backpropd-was-here").touch, ())


PICKLE = pickle.dumps(Exploit())
DEEP = b"[" * 100_000
BOMB = gzip.compress(b"1" * (64 << 20), 9)
HUGE = 10**400

ATTACKS: dict[str, tuple[bytes, range | set[int]]] = {
    # What no HTTP is
    "garbage": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", REFUSED),
    "http/0.9": (b"GET /\r\n\r\n", REFUSED),
    "http/2 preface": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", {505}),
    "a version of the future": (raw("GET /healthz HTTP/9.9"), {505}),
    "a space before a header's colon": (get("/healthz", "X : y"), {400}),
    "a folded header": (get("/healthz", "X: y\r\n z"), {200, 400}),
    "a NUL in a header": (get("/healthz", "X: a\0b"), {400}),
    "a bare CR in a header": (get("/healthz", "X: a\rSet-Cookie: b"), {400}),
    "a header without a name": (get("/healthz", ": x"), {400}),
    "a target not in ASCII": (get("/\xff"), {400}),
    "a method in small letters": (raw("get /healthz HTTP/1.1"), {405}),
    "an unknown method": (raw("FOO /healthz HTTP/1.1"), {405}),
    "trace": (raw("TRACE /healthz HTTP/1.1"), {405}),
    "connect": (raw("CONNECT localhost:22 HTTP/1.1"), REFUSED),
    "an asterisk": (raw("OPTIONS * HTTP/1.1"), REFUSED),
    # Framing: where a body ends
    "both lengths": (raw("POST /v1/networks HTTP/1.1", JSON, "Content-Length: 4", "Transfer-Encoding: chunked", body=b"0\r\n\r\n"), {400}),
    "two lengths": (raw("POST /v1/networks HTTP/1.1", JSON, "Content-Length: 4", "Content-Length: 5", body=b"{}  "), {400}),
    "a negative length": (raw("POST /v1/networks HTTP/1.1", JSON, "Content-Length: -1"), {400}),
    "a length with a plus": (raw("POST /v1/networks HTTP/1.1", JSON, "Content-Length: +2", body=b"{}"), {400}),
    "a length in hex": (raw("POST /v1/networks HTTP/1.1", JSON, "Content-Length: 0x2", body=b"{}"), {400}),
    "a length of 400 digits": (raw("POST /v1/networks HTTP/1.1", JSON, f"Content-Length: {HUGE}"), {400}),
    "a length of 20 digits": (raw("POST /v1/datasets HTTP/1.1", CSV, f"Content-Length: {10**19}"), {413}),
    "a length over the limit of json": (raw("POST /v1/networks HTTP/1.1", JSON, f"Content-Length: {2 << 20}"), {413}),
    "chunked twice": (raw("POST /v1/networks HTTP/1.1", JSON, "Transfer-Encoding: chunked, chunked", body=b"0\r\n\r\n"), {501}),
    "chunked, hidden": (raw("POST /v1/networks HTTP/1.1", JSON, "Transfer-Encoding: xchunked", body=b"0\r\n\r\n"), {501}),
    "chunked under http/1.0": (raw("POST /v1/networks HTTP/1.0", JSON, "Transfer-Encoding: chunked", body=b"2\r\n{}\r\n0\r\n\r\n"), {400}),
    "a chunk without a size": (raw("POST /v1/networks HTTP/1.1", JSON, "Transfer-Encoding: chunked", body=b"zz\r\n{}\r\n"), {400}),
    "a chunk of 2^64 bytes": (raw("POST /v1/networks HTTP/1.1", JSON, "Transfer-Encoding: chunked", body=b"1" + b"0" * 40 + b"\r\n"), {400}),
    "a chunk with a long extension": (raw("POST /v1/networks HTTP/1.1", JSON, "Transfer-Encoding: chunked", body=b"1;" + b"x" * 100_000), {400, 431}),
    "chunks over the limit of json": (raw("POST /v1/networks HTTP/1.1", JSON, "Transfer-Encoding: chunked", body=b"40000\r\n" + b" " * 0x40000 + b"\r\n") + (b"40000\r\n" + b" " * 0x40000 + b"\r\n") * 5, {413}),
    # Headers and addresses over their limits
    "a header of 100 KB": (get("/healthz", "X: " + "x" * 100_000), {431}),
    "200 headers": (get("/healthz", *["X: x"] * 200), {431}),
    "a path of 9 KB": (get("/" + "a" * 9000), {414}),
    "a query of 9 KB": (get("/v1/datasets?name=" + "a" * 9000), {414}),
    "a limit of 400 digits": (get(f"/v1/datasets?limit={HUGE}"), {422}),
    "a negative limit": (get("/v1/datasets?limit=-1"), {422}),
    "a cursor of sql": (get("/v1/datasets?cursor=%27%20OR%201=1--"), {422}),
    "sql as a name": (get("/v1/datasets?name=%27;DROP%20TABLE%20jobs;--"), {200}),
    "ten thousand parameters": (get("/v1/datasets?" + "a&" * 4000), {200, 422}),
    # Host and Origin
    "no host": (raw("GET /healthz HTTP/1.1", host=None), {400}),
    "two hosts": (get("/healthz", "Host: evil.example"), {400}),
    "a foreign host": (raw("GET /v1/datasets HTTP/1.1", host="Host: evil.example"), {403}),
    "a foreign host that begins well": (raw("GET /v1/datasets HTTP/1.1", host="Host: localhost.evil.example"), {403}),
    "a foreign host after an at sign": (raw("GET /v1/datasets HTTP/1.1", host="Host: localhost@evil.example"), {403}),
    "a foreign host after brackets": (raw("GET /v1/datasets HTTP/1.1", host="Host: [::1]evil.example"), {403}),
    "a port that is none": (raw("GET /v1/datasets HTTP/1.1", host="Host: localhost:80\xb2"), {400, 403}),
    "an empty host": (raw("GET /v1/datasets HTTP/1.1", host="Host: "), {400, 403}),
    "a foreign forwarded host": (raw("GET /v1/datasets HTTP/1.1", "X-Forwarded-Host: localhost", host="Host: evil.example"), {403}),
    "a whole address in the target": (get("http://localhost/v1/datasets"), {404}),
    "a foreign origin": (post(UPLOAD, PLAIN, CSV, "Origin: http://evil.example"), {403}),
    "the origin null": (post(UPLOAD, PLAIN, CSV, "Origin: null"), {403}),
    "an origin of another port": (post(UPLOAD, PLAIN, CSV, "Origin: http://localhost:3000"), {403}),
    "an origin of another kind": (post(UPLOAD, PLAIN, CSV, "Origin: file://localhost"), {403}),
    "two origins": (post(UPLOAD, PLAIN, CSV, "Origin: http://localhost", "Origin: http://evil.example"), {400, 403}),
    "a form of another site": (post(UPLOAD, PLAIN, CSV, "Sec-Fetch-Site: cross-site"), {403}),
    "a form of a neighbour": (post(UPLOAD, PLAIN, CSV, "Sec-Fetch-Site: same-site"), {403}),
    "a delete by another site": (raw("DELETE /v1/models/species-penguins HTTP/1.1", "Origin: http://evil.example"), {403}),
    "a method in a header": (post("/v1/models/species-penguins", b"", "X-HTTP-Method-Override: DELETE"), {405}),
    "a websocket": (get("/v1/datasets", "Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==", "Sec-WebSocket-Version: 13", "Origin: http://evil.example"), {200}),
    "an upgrade to http/2": (get("/v1/datasets", "Upgrade: h2c", "Connection: Upgrade, HTTP2-Settings", "HTTP2-Settings: AAMAAABkAAQAAP__"), {200}),
    # Names that lead elsewhere
    "dots in a path": (get("/v1/../../etc/passwd"), {404}),
    "dots, escaped": (get("/v1/datasets/%2e%2e%2f%2e%2e%2fetc%2fpasswd"), {404}),
    "dots, escaped twice": (get("/v1/datasets/%252e%252e%252fetc%252fpasswd"), {404}),
    "an absolute name": (get("/v1/models/%2Fetc%2Fpasswd"), {404}),
    "a name with a back slash": (get("/v1/models/..%5C..%5Cwindows"), {404}),
    "a name with a NUL": (get("/v1/models/species-penguins%00.json"), {422}),
    "a name with a right-to-left mark": (get("/v1/models/%E2%80%AEsniugnep"), {404}),
    "a name that is no UTF-8": (get("/v1/models/%FF%FE"), {404}),
    "a name with line ends": (get("/v1/models/a%0d%0aSet-Cookie:%20x"), {404}),
    "a very long name": (get("/v1/models/" + "a" * 5000), {404}),
    "a version of 400 digits": (get(f"/v1/models/species-penguins:{HUGE}"), {404}),
    "an id with a path": (get("/v1/jobs/job_%2e%2e/history"), {404}),
    "rows of a path": (get("/v1/datasets/..%2f..%2fbackpropd.db/rows"), {404}),
    "a file of the docs' folder": (get("/docs/../app/settings.py"), {404}),
    "a file of the docs' folder, escaped": (get("/docs/%2e%2e/__init__.py"), {404}),
    "a redirect elsewhere": (get("//evil.example/v1/datasets/"), {404}),
    "html as a name": (get("/v1/models/%3Cscript%3Ealert(1)%3C/script%3E"), {404}),
    "a model name of a path": (job(model_name="../../x"), {422}),
    "a label with control characters": (post("/v1/datasets?name=a%1b%5b31m", PLAIN, CSV), {422}),
    "a data set's name that is a path": (job(dataset_id="../../../etc/passwd"), {404, 422}),
    "a data set by address": (job(dataset_id="http://169.254.169.254/latest/meta-data/"), {404, 422}),
    "a file by address": (post(UPLOAD, b'{"url": "file:///etc/passwd"}', JSON), {422}),
    # Bodies that are not what they say
    "no content type": (post("/v1/networks", b'{"name": "n", "layers": []}'), {415, 422}),
    "text as json": (post("/v1/jobs", b"{}", "Content-Type: text/plain"), {415, 422}),
    "json in UTF-16": (post("/v1/networks", '{"name": "n"}'.encode("utf-16"), JSON), {422}),
    "json with a BOM": (post("/v1/networks", b"\xef\xbb\xbf{}", JSON), {422}),
    "json that is deep": (post("/v1/networks", DEEP, JSON), {422}),
    "json that is deep, in a prediction": (predict(DEEP), {422}),
    "json with NaN": (post("/v1/jobs", b'{"dataset_id": "x", "target": "b", "priority": NaN}', JSON), {422}),
    "json with infinity": (post("/v1/jobs", b'{"dataset_id": "x", "target": "b", "priority": -Infinity}', JSON), {422}),
    "json with 1e999": (post("/v1/jobs", b'{"dataset_id": "x", "target": "b", "priority": 1e999}', JSON), {422}),
    "json with 5,000 digits": (post("/v1/jobs", b'{"dataset_id": "x", "target": "b", "priority": ' + b"9" * 5000 + b"}", JSON), {422}),
    "json with equal keys": (post("/v1/networks", b'{"name": "a", "name": "b", "layers": []}', JSON), {422}),
    "json with half a surrogate": (post("/v1/networks", b'{"name": "\\ud800", "layers": [{"kind": "dense", "units": 1}]}', JSON), {422}),
    "json with a NUL": (post("/v1/networks", b'{"name": "\\u0000", "layers": [{"kind": "dense", "units": 1}]}', JSON), {422}),
    "json with __proto__": (post("/v1/networks", b'{"__proto__": {"admin": true}, "name": "n", "layers": []}', JSON), {422}),
    "a network of huge layers": (network({"kind": "dense", "units": HUGE}), {422}),
    "a network whose product overflows": (network({"kind": "dense", "units": 2**31}, {"kind": "dense", "units": 2**31}), {201, 422}),
    "a layer of negative size": (network({"kind": "dense", "units": -1}), {422}),
    "a layer of code": (network({"kind": "lambda", "function": "__import__('os').system('id')"}), {422}),
    "a layer by its class": (network({"kind": "dense", "__class__": "os.system"}), {422}),
    "a thousand epochs times 10^9": (job(training={"epochs": 10**12}), {422}),
    "a job's code": (job(entrypoint="python -c 'import os'"), {422}),
    "a job's environment": (job(runtime_env={"pip": ["evil"]}), {422}),
    # Uploads
    "a bomb": (post(UPLOAD, BOMB, CSV, GZIP), {413}),
    "a bomb within gzip": (post(UPLOAD, gzip.compress(BOMB), CSV, GZIP), {422}),
    "two encodings": (post(UPLOAD, PLAIN, CSV, "Content-Encoding: gzip, gzip"), {415}),
    "the encoding twice": (post(UPLOAD, gzip.compress(PLAIN), CSV, GZIP, GZIP), {400}),
    "an unknown encoding": (post(UPLOAD, PLAIN, CSV, "Content-Encoding: br"), {415}),
    "a gzip in a prediction": (predict(gzip.compress(b"{}"), JSON, GZIP), {415, 422}),
    "a pickle": (post(UPLOAD, PICKLE, "Content-Type: application/octet-stream"), {415}),
    "a pickle as parquet": (post(UPLOAD, PICKLE, "Content-Type: application/vnd.apache.parquet"), {422}),
    "a pickle as a table": (post(UPLOAD, PICKLE, CSV), {422}),
    "a pickle in a prediction": (predict(PICKLE, "Content-Type: application/x-python-pickle"), {415}),
    "a .npy of 80 GB": (predict(npy(), "Content-Type: application/x-npy"), {422}),
    "an arrow file's magic": (post(UPLOAD, b"ARROW1\0\0\xff\xff\xff\xff\xff\xff\xff\x7fARROW1", "Content-Type: application/vnd.apache.arrow.file"), {422}),
    "a parquet's footer": (post(UPLOAD, b"PAR1" + b"\xff" * 64 + b"\xff\xff\xff\x7fPAR1", "Content-Type: application/vnd.apache.parquet"), {422}),
    "a csv of 10,001 columns": (post(UPLOAD, b",".join(b"c%d" % i for i in range(10_001)) + b"\n1\n", CSV), {422}),
    "a csv of one endless quote": (post(UPLOAD, b'a,b\n"' + b"x" * 500_000, CSV), {422}),
    "a csv of binary": (post(UPLOAD, bytes(range(256)) * 64, CSV), {422}),
    "a form whose file is a path": (post(UPLOAD, b'--x\r\nContent-Disposition: form-data; name="file"; filename="../../../etc/cron.d/x"\r\n\r\na\n1\n\r\n--x--\r\n', "Content-Type: multipart/form-data; boundary=x"), {415}),
    "a form of a thousand parts": (post(UPLOAD, b'--x\r\nContent-Disposition: form-data; name="name"\r\n\r\na\r\n' * 1000 + b"--x--\r\n", "Content-Type: multipart/form-data; boundary=x"), {422}),
    "a form without an end": (post(UPLOAD, b"--x\r\n" * 1000, "Content-Type: multipart/form-data; boundary=x"), {422}),
    "a form's boundary of 10 KB": (post(UPLOAD, b"x", "Content-Type: multipart/form-data; boundary=" + "x" * 10_000), REFUSED),
    # Headers that steer
    "a key of 10 KB": (post("/v1/networks", b"{}", JSON, "Idempotency-Key: " + "x" * 10_000), {422}),
    "two keys": (post("/v1/networks", b"{}", JSON, "Idempotency-Key: a", "Idempotency-Key: b"), {400}),
    "an event id of letters": (get("/v1/jobs/job_0/events", "Last-Event-ID: abc"), {404, 422}),
    "an event id of 400 digits": (get("/v1/jobs/job_0/events", f"Last-Event-ID: {HUGE}"), {404, 422}),
    "a range": (get("/docs/start.js", "Range: bytes=0-,0-,0-,0-,0-,0-,0-,0-,0-,0-"), {200, 206, 400, 416}),
    "a request id with escapes": (get("/healthz", "X-Request-Id: a\x1b[31mb"), {200, 400}),
    "a log line in the path": (get("/v1/models/x%0a%7B%22level%22:%22ERROR%22%7D"), {404}),
}  # fmt: skip


@pytest.fixture(scope="module")
def service(tmp_path_factory):
    running = Running(tmp_path_factory.mktemp("attacked") / "data")
    dataset = running.upload(PENGUINS.read_bytes())
    request = {"training": {"epochs": 1}, "model_name": "species-penguins"}
    running.until(running.launch(dataset, "species", **request), "succeeded")
    yield running
    running.close()


def files(service) -> list[str]:
    folders = ("datasets", "models", "tmp", "checkpoints")
    return sorted(str(path) for folder in folders for path in (service.data / folder).rglob("*"))


def things(service) -> dict[str, Any]:
    return {
        name: service.client.get(f"/v1/{name}").json() for name in ("datasets", "networks", "jobs", "models")
    }


@pytest.mark.parametrize(("request_", "statuses"), ATTACKS.values(), ids=ATTACKS)
def test_attack(service, request_: bytes, statuses: range | set[int]) -> None:
    before, kept = things(service), files(service)
    answer = exchange(service.url, request_)
    assert answer.status in statuses, answer
    if answer.status >= 400:
        assert answer.headers["content-type"] == "application/problem+json"
        if answer.body:
            assert json.loads(answer.body)["status"] == answer.status
        assert str(service.data).encode() not in answer.body
        assert b"Traceback" not in answer.body
    for name in ("x-content-type-options", "content-security-policy", "cross-origin-resource-policy"):
        assert name in answer.headers
    assert "set-cookie" not in answer.headers
    assert service.client.get("/healthz").json() == {"status": "ok"}
    if answer.status != 201:
        assert (things(service), files(service)) == (before, kept)


def test_nothing_was_run_and_every_log_line_is_one_object(service) -> None:
    assert not Path("/tmp/backpropd-was-here").exists()
    log = Path(service.log.name).read_bytes()
    for line in log.splitlines():
        assert set(json.loads(line)) >= {"level", "name", "message"}
    assert re.search(rb"[\x00-\x09\x0b-\x1f\x7f-\xff]", log) is None  # no escape reaches a terminal
    assert b"unexpected error" not in log
    assert b"Exception in ASGI application" not in log


def test_what_one_line_cannot_show(service) -> None:
    """Pipelined requests are answered in turn, and a body is never taken for the next request."""
    smuggled = b"GET /v1/smuggled HTTP/1.1\r\nHost: localhost\r\n\r\n"
    request = post("/nothing", smuggled, JSON) + get("/healthz", "Connection: close")
    answer = exchange(service.url, request, timeout=3)
    assert answer.status == 404
    assert answer.body.count(b"/v1/smuggled") == 0


def test_memory_stays_flat_under_large_and_lying_bodies(service) -> None:
    """Bodies of 64 MiB, raw and as bombs, several at once: what is refused is never held."""
    before = pss(service.process.pid)
    bodies = [{"content": BOMB, "headers": {"Content-Type": "text/csv", "Content-Encoding": "gzip"}}]
    bodies += [{"content": iter([b" " * (1 << 20)] * 64), "headers": {"Content-Type": "application/json"}}]
    statuses: list[int] = []

    def send(request: dict[str, Any]) -> None:
        path = UPLOAD if "Content-Encoding" in request["headers"] else "/v1/networks"
        try:
            statuses.append(httpx.post(service.url + path, timeout=60, **request).status_code)
        except httpx.TransportError:
            statuses.append(413)  # refused and closed while it was still sending

    threads = [threading.Thread(target=send, args=(dict(body),)) for body in bodies * 4]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(statuses) <= {413, 422}
    assert pss(service.process.pid) - before < 64 << 20


def pss(pid: int) -> int:
    """Proportional set size in bytes."""
    rows = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return next(int(row.split()[1]) for row in rows if row.startswith("Pss:")) * 1024
