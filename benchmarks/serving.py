"""Predictions over HTTP, beside a route that only echoes, and beside the bare engine.

    python benchmarks/serving.py [--strict] [--seconds 2] [--rounds 5] [--peers PYTHON]

A record of the penguins goes to a network of three dense layers, over 1 and over 32 connections that each ask anew
as soon as they are answered. Beside it, in turn: a bare `async def` FastAPI route that takes the same pydantic model
and gives it back, on the same server without any log. Figures are medians over rounds; a ratio is that of medians.
Beside the rates stands the processor time that a server took for a request, all its threads together: on a machine
that others use it tells more. --peers names the Python of an environment with mlflow, or mlserver and mlserver-mlflow
(pip install them apart: their needs are not ours); their servers then answer the same records from the same network,
exported, in the same turns. 100,000 records go there and back as an Arrow stream, beside the engine on the same
frame in this process.
With --strict a missed bar ends with exit code 1.
"""

import argparse
import gc
import http.client
import json
import os
import selectors
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import NamedTuple

sys.path.pop(0)  # this file's folder, whose engine.py is another
sys.path.extend(str(Path(__file__).resolve().parent.parent / folder) for folder in ("", "tests/system"))
import httpx
import polars as pl
from serving import PENGUINS, Running, free_port

from app.predictions.schemas import EXAMPLES, PredictRequest
from engine.ensemble import load_model_file

CONNECTIONS = (1, 32)
ROWS = 100_000
TABLES = 7  # times that they are sent
ARROW = "application/vnd.apache.arrow.stream"
NETWORK = {"layers": [{"kind": "dense", "units": 64}, {"kind": "relu"}] * 2 + [{"kind": "dense"}]}
SENT = EXAMPLES["records"]["value"]
BODY = json.dumps(SENT).encode()
INVOCATION = json.dumps({"dataframe_records": SENT["records"]}).encode()
PEERS = {"MLflow": ("mlflow", "mlflow"), "MLServer": ("mlserver", "mlserver_mlflow")}  # kind, package
PEERS_FILE = Path(__file__).resolve().parent / "peers" / "serving_peers.py"


class Load(NamedTuple):
    """What a closed loop of some seconds measured."""

    rate: float  # answers a second
    processor: float  # microseconds of the server's processor time an answer
    p50: float  # milliseconds
    p99: float


def bare(port: int) -> None:
    """The route to be compared with."""
    import uvicorn  # noqa: PLC0415 - in a process of its own
    from fastapi import FastAPI  # noqa: PLC0415

    app = FastAPI()

    @app.post("/predict")
    async def echo(request: PredictRequest) -> PredictRequest:
        return request

    uvicorn.run(app, port=port, log_level="error", access_log=False)


class Target(NamedTuple):
    """A route, and the process that serves it."""

    pid: int
    port: int
    path: str
    body: bytes = BODY

    def processor_seconds(self) -> float:
        threads = Path(f"/proc/{self.pid}/task").glob("*/schedstat")
        return sum(int(thread.read_text().split()[0]) for thread in threads) / 1e9


def load(target: Target, connections: int, seconds: float) -> Load:
    """Ask over so many connections, on each as soon as it is answered. One thread, so that it costs little."""
    head = (
        f"POST {target.path} HTTP/1.1\r\nHost: 127.0.0.1:{target.port}\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(target.body)}\r\n\r\n"
    )
    request = head.encode() + target.body
    selector = selectors.DefaultSelector()
    asked: dict[socket.socket, float] = {}
    for _ in range(connections):
        connection = socket.create_connection(("127.0.0.1", target.port))
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        selector.register(connection, selectors.EVENT_READ)
        asked[connection] = 0.0
    spent = target.processor_seconds()
    start = time.perf_counter()
    for connection in asked:
        asked[connection] = time.perf_counter()
        connection.sendall(request)
    waits = []
    while (now := time.perf_counter()) < start + seconds:
        for key, _ in selector.select(1):
            connection = key.fileobj
            assert isinstance(connection, socket.socket)
            answer = connection.recv(1 << 16)
            while not _whole(answer):
                answer += connection.recv(1 << 16)
            assert answer.startswith(b"HTTP/1.1 200"), answer
            now = time.perf_counter()
            waits.append(now - asked[connection])
            asked[connection] = now
            connection.sendall(request)
    spent = target.processor_seconds() - spent
    for connection in asked:
        connection.close()
    waits.sort()
    count = len(waits)
    return Load(
        rate=count / (now - start),
        processor=spent / count * 1e6,
        p50=waits[count // 2] * 1e3,
        p99=waits[int(count * 0.99)] * 1e3,
    )


def _whole(answer: bytes) -> bool:
    head, found, body = answer.partition(b"\r\n\r\n")
    if not found:
        return False
    [length] = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
    return len(body) >= int(length.partition(b":")[2])


class Servers:
    """The two that are compared, each in a process of its own."""

    def __init__(self, stack: ExitStack, folder: Path, peers: str | None = None) -> None:
        port = free_port()
        process = subprocess.Popen([sys.executable, __file__, "--bare", str(port)])
        self.bare = Target(process.pid, port, "/predict")
        stack.callback(process.wait)
        stack.callback(process.terminate)
        service = Running(folder / "data", workers=1, log_level="error")
        stack.callback(service.close)
        dataset = service.upload(PENGUINS.read_bytes(), "penguins")
        job = service.launch(
            dataset, "species", network=NETWORK, training={"epochs": 20}, model_name="penguins"
        )
        self.model = service.until(job, "succeeded")["model_id"]
        self.service = service
        port = int(service.url.rpartition(":")[2])
        self.ours = Target(service.process.pid, port, "/v1/models/penguins/predict")
        self.peers = dict(self._peers(stack, folder, peers)) if peers else {}
        for target in (self.bare, self.ours, *self.peers.values()):
            service.wait(partial(_answers, target), seconds=120)
            load(target, 8, 0.5)

    def _peers(self, stack: ExitStack, folder: Path, python: str) -> Iterator[tuple[str, Target]]:
        """Other servers of models, those that this Python has."""
        export = self.service.client.get("/v1/models/penguins/export?format=python").raise_for_status()
        (folder / "predictor.py").write_bytes(export.content)
        for name, (kind, package) in PEERS.items():
            if subprocess.run(
                [python, "-c", f"import {package}"], check=False, capture_output=True
            ).returncode:
                print(f"not installed, so left out: {name}")
                continue
            place, port = folder / kind, free_port()
            place.mkdir()
            command = [python, str(PEERS_FILE), kind, str(folder / "predictor.py"), str(place), str(port)]
            log = stack.enter_context((folder / f"{kind}.log").open("wb"))
            process = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
            stack.callback(process.wait)
            stack.callback(os.killpg, process.pid, signal.SIGKILL)  # its own children too
            yield name, Target(process.pid, port, "/invocations", INVOCATION)


def _answers(target: Target) -> bool:
    url = f"http://127.0.0.1:{target.port}{target.path}"
    try:
        return httpx.post(url, content=target.body, headers={"Content-Type": "application/json"}).is_success
    except httpx.TransportError:
        return False


def singles(servers: Servers, rounds: int, seconds: float) -> list[bool]:
    """Single records over few and many connections, the two servers in turn."""
    targets = {"bare": servers.bare, "ours": servers.ours, **servers.peers}
    found: dict[tuple[str, int], list[Load]] = {}
    for _ in range(rounds):
        for connections in CONNECTIONS:
            for name, target in targets.items():
                found.setdefault((name, connections), []).append(load(target, connections, seconds))
    for (name, connections), loads in found.items():
        rates = [one.rate for one in loads]
        print(
            f"{name}, {connections:2} connections: {statistics.median(rates):6.0f}/s "
            f"({min(rates):.0f} to {max(rates):.0f}), {_median(loads, 'processor'):.0f} us of processor, "
            f"p50 {_median(loads, 'p50'):.2f} ms, "
            f"p99 {_median(loads, 'p99'):.2f} ms"
        )
    met = [
        told(
            f"rate beside the bare route, {connections} connections",
            _median(found["ours", connections], "rate") / _median(found["bare", connections], "rate"),
            at_least=0.7,
        )
        for connections in CONNECTIONS
    ]
    for connections in CONNECTIONS:
        spent = {name: _median(found[name, connections], "processor") for name in ("bare", "ours")}
        print(
            f"processor time, bare / ours, {connections:2} connections {spent['bare'] / spent['ours']:22.2f}"
        )
    met += [
        told(
            f"rate beside {name}, {connections} connections",
            _median(found["ours", connections], "rate") / _median(found[name, connections], "rate"),
            at_least=2,
        )
        for name in servers.peers
        for connections in CONNECTIONS
    ]
    waits = _median(found["ours", 32], "p99") / _median(found["bare", 32], "p99")
    return [*met, told("p99 beside the bare route, 32 connections", waits, at_most=3)]


def tables(servers: Servers) -> bool:
    """Many records as an Arrow stream, beside the engine on the frame."""
    frame = pl.concat([pl.DataFrame(SENT["records"])] * ROWS)
    file = BytesIO()
    frame.write_ipc_stream(file)
    model = load_model_file(servers.service.data / "models" / f"{servers.model}.safetensors")
    engine, service = [], []
    for _ in range(TABLES):
        begin = time.perf_counter()
        answers = model.answers(frame)
        engine.append(time.perf_counter() - begin)
        begin = time.perf_counter()
        answer = _posted(servers.ours, file.getvalue())
        service.append(time.perf_counter() - begin)
        found = pl.read_ipc_stream(answer)
        assert found["probabilities.Adelie"].to_numpy().tobytes() == answers[:, 0].tobytes()
    for name, seconds in (("engine", engine), ("service", service)):
        median, low, high = (of(seconds) * 1e3 for of in (statistics.median, min, max))
        print(f"{ROWS:,} records, {name}: {median:.0f} ms ({low:.0f} to {high:.0f})")
    ratio = statistics.median(service) / statistics.median(engine)
    return told(f"{ROWS:,} records as Arrow beside the bare engine", ratio, at_most=1.5)


def _posted(target: Target, table: bytes) -> bytes:
    """The answer to a table. By http.client: httpx takes 50 ms to send 7 MB, in pieces of which it copies each rest."""
    with closing(http.client.HTTPConnection("127.0.0.1", target.port, timeout=60)) as connection:
        connection.request("POST", target.path, table, {"Content-Type": ARROW})
        answer = connection.getresponse()
        body = answer.read()
    assert answer.status == 200, body[:1000]
    return body


def _median(loads: list[Load], name: str) -> float:
    return statistics.median(getattr(one, name) for one in loads)


def told(what: str, ratio: float, *, at_least: float | None = None, at_most: float | None = None) -> bool:
    met = ratio >= at_least if at_least is not None else at_most is None or ratio <= at_most
    bar = f"at least {at_least}" if at_least is not None else f"at most {at_most}"
    print(f"{what:<52} {ratio:6.2f}   bar: {bar}: {'met' if met else 'MISSED'}")
    return met


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--strict", action="store_true", help="exit code 1 where a bar is missed")
    parser.add_argument("--seconds", type=float, default=2.0, help="of each loop")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--peers", help="the Python of an environment with mlflow or mlserver")
    parser.add_argument("--bare", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.bare:
        bare(options.bare)
        return 0
    print(f"{os.cpu_count()} processors, load average {os.getloadavg()[0]:.2f}")
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        servers = Servers(stack, folder, options.peers)
        gc.freeze()  # what is here already: to look through it takes longer than an answer
        met = [*singles(servers, options.rounds, options.seconds), tables(servers)]
    print(f"load average {os.getloadavg()[0]:.2f}")
    return 1 if options.strict and not all(met) else 0


if __name__ == "__main__":
    sys.exit(main())
