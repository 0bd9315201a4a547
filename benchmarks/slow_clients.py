"""Do slow clients slow down the others? Requests' latency, alone and beside a thousand that trickle.

    python benchmarks/slow_clients.py [--slow 1000] [--requests 2000]

Starts a service of its own. The slow clients, in a process of their own, send a byte of their headers or of their
body a second, and connect anew when they are cut.
"""

import argparse
import asyncio
import contextlib
import multiprocessing
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import httpx

sys.path.pop(0)  # this file's folder, whose engine.py is another
sys.path.extend(str(Path(__file__).resolve().parent.parent / folder) for folder in ("", "tests/system"))
from serving import free_port

HEAD = b"POST /v1/networks HTTP/1.1\r\nHost: localhost\r\n"
BODY = HEAD + b"Content-Type: application/json\r\nContent-Length: 1000000\r\n\r\n"


async def trickle(port: int, begin: bytes, connected: list[int], cut: list[int]) -> None:
    while True:
        with contextlib.suppress(OSError):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            connected[0] += 1
            answer = asyncio.create_task(reader.read(1))
            writer.write(begin)
            while not answer.done():
                writer.write(b"x")
                await asyncio.wait([answer], timeout=1)
            cut[0] += 1
            connected[0] -= 1
            writer.close()


async def _attack(port: int, slow: int, counts) -> None:  # noqa: ANN001 - multiprocessing has no name for it
    connected, cut = [0], [0]
    tasks = [asyncio.create_task(trickle(port, HEAD if i % 2 else BODY, connected, cut)) for i in range(slow)]
    while tasks:
        counts[0], counts[1] = connected[0], cut[0]
        await asyncio.sleep(0.1)


def attack(port: int, slow: int, counts) -> None:  # noqa: ANN001 - as above
    asyncio.run(_attack(port, slow, counts))


def latencies(client: httpx.Client, requests: int) -> list[float]:
    """Milliseconds of each request: half of them read, half write a network."""
    took = []
    body = {"name": "n", "layers": [{"kind": "dense", "units": 1}]}
    for i in range(requests):
        begun = time.perf_counter()
        answer = client.post("/v1/networks", json=body) if i % 2 else client.get("/v1/networks?limit=5")
        took.append((time.perf_counter() - begun) * 1000)
        assert answer.is_success, answer.text
    return took


def told(name: str, took: list[float]) -> None:
    cuts = statistics.quantiles(took, n=100)
    print(f"{name:34} median {cuts[49]:6.2f} ms   p99 {cuts[98]:7.2f} ms   most {max(took):7.2f} ms")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--slow", type=int, default=1000)
    parser.add_argument("--requests", type=int, default=2000)
    options = parser.parse_args()
    port, counts = free_port(), multiprocessing.Array("i", 2)
    with tempfile.TemporaryDirectory() as data:
        command = [
            sys.executable,
            "-m",
            "app.cli",
            "serve",
            "--data",
            data,
            "--port",
            str(port),
            "--workers",
            "0",
        ]
        command += ["--log-level", "warning"]
        serving = subprocess.Popen(command)
        client = httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60)
        attacker = multiprocessing.Process(target=attack, args=(port, options.slow, counts), daemon=True)
        try:
            while not _alive(client):
                time.sleep(0.05)
            latencies(client, 200)  # warm up
            told("alone", latencies(client, options.requests))
            attacker.start()
            while counts[0] < options.slow * 0.9:
                time.sleep(0.1)
            told(f"beside {options.slow:,} slow clients", latencies(client, options.requests))
            time.sleep(12)
            told("beside those that came anew", latencies(client, options.requests))
            print(f"{counts[1]:,} slow connections were cut, {counts[0]:,} are open")
        finally:
            if attacker.is_alive():
                attacker.terminate()
            told("alone again", latencies(client, options.requests))
            serving.terminate()
            serving.wait()


def _alive(client: httpx.Client) -> bool:
    with contextlib.suppress(httpx.TransportError):
        return client.get("/healthz").is_success
    return False


if __name__ == "__main__":
    main()
