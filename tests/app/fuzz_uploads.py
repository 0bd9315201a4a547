"""Spoilt uploads read by the thousand: each is read, or refused with a sentence; nothing else may happen.

    python tests/app/fuzz_uploads.py 1000000 [--seed 0] [--formats csv json ...] [--keep FOLDER]

The reading happens in a child with the limits of the service's own, which another replaces where it dies:
the service answers that, and a panic of a library, with a 422. Gzip, forms and bodies of predictions are read
in the API's own process, so that there a panic or a death counts as a finding.
"""

import argparse
import asyncio
import json
import os
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection
from pathlib import Path

from fastapi.exceptions import RequestValidationError
from mutations import BOUNDARY, SEEDS, mutated
from starlette.requests import Request

from app.children import context, end, limit_memory, start_fork_server
from app.datasets.receiving import receive
from app.datasets.runner import read_rows, read_table
from app.predictions.reading import read as read_prediction
from app.problems import Problem

IN_A_CHILD = ("csv", "tsv", "ndjson", "json", "parquet", "arrow", "npz", "zip", "xlsx")
HERE = ("gzip", "form", "predict json", "predict csv")
SECONDS = 20.0  # for one file of a few kilobytes
MEMORY = 1 << 30
LIMIT = 1 << 24  # of an upload, decompressed
FINE = frozenset({"read", "refused"})
FINE_IN_A_CHILD = FINE | {"panic", "memory", "died"}


def _read_file(format_: str, data: bytes, folder: Path) -> None:
    (folder / "upload").write_bytes(data)
    report = read_table(folder / "upload", format_, folder / "table.arrow")
    json.dumps(report, allow_nan=False).encode()  # as the API answers it
    rows = read_rows(folder / "table.arrow", 0, 20)
    json.dumps(rows, allow_nan=False).encode()


def _receive(headers: dict[str, str], data: bytes, folder: Path) -> None:
    async def body() -> dict[str, object]:
        return {"type": "http.request", "body": data, "more_body": False}

    raw = [(name.encode(), value.encode()) for name, value in headers.items()]
    request = Request(
        {"type": "http", "method": "POST", "path": "/", "headers": raw, "query_string": b""}, body
    )
    asyncio.run(receive(request, folder / "upload", LIMIT, lambda *_: None))


def _read(format_: str, data: bytes, folder: Path) -> None:
    match format_:
        case "gzip":
            _receive({"content-type": "text/csv", "content-encoding": "gzip"}, data, folder)
        case "form":
            _receive({"content-type": f"multipart/form-data; boundary={BOUNDARY}"}, data, folder)
        case "predict json":
            read_prediction("application/json", data)
        case "predict csv":
            read_prediction("text/csv", data)
        case _:
            _read_file(format_, data, folder)


def outcome(format_: str, data: bytes, folder: Path) -> str:
    """What becomes of an upload: one of the fine outcomes, or a finding in words."""
    try:
        _read(format_, data, folder)
    except (Problem, RequestValidationError) as refusal:
        status = getattr(refusal, "status", 422)
        found = "refused" if 400 <= status < 500 else f"status {status}: {refusal}"
    except MemoryError:
        found = "memory"
    except BaseException as error:  # noqa: BLE001 - a panic is none of Exception's
        kind = type(error).__name__
        found = "panic" if kind == "PanicException" else f"{kind}: {error}"[:300]
    else:
        found = "read"
    left = {path.name for path in folder.iterdir()} - {"upload", "table.arrow"}
    for path in folder.iterdir():
        path.unlink()
    return f"left behind: {', '.join(left)}" if left else found


def work(sender: Connection, format_: str, seed: int, indices: range, folder: str) -> None:
    """Read the spoilt uploads of these numbers, in a child, and send what became of each."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # where panics tell their story
    limit_memory(MEMORY)
    for index in indices:
        sender.send_bytes(outcome(format_, mutated(format_, seed, index), Path(folder)).encode())


def outcomes(format_: str, seed: int, count: int) -> Iterator[tuple[int, str]]:
    """Each number with what became of its upload."""
    root = Path("/dev/shm")  # in memory: a disk would be the bottleneck
    folder = tempfile.mkdtemp(prefix="fuzz-", dir=root if root.is_dir() else None)
    index = 0
    try:
        while index < count:
            receiver, sender = context.Pipe(duplex=False)
            indices = range(index, min(index + 20_000, count))
            child = context.Process(target=work, args=(sender, format_, seed, indices, folder), daemon=True)
            child.start()
            sender.close()
            with receiver:
                for index in indices:
                    if not receiver.poll(SECONDS):
                        yield index, "hang"
                        break
                    try:
                        found = receiver.recv_bytes().decode()
                    except EOFError:
                        yield index, "died"
                        break
                    yield index, found
                index += 1
            end(child)
    finally:
        shutil.rmtree(folder)


def is_fine(format_: str, found: str) -> bool:
    """Whether the service would answer such an upload with a 2xx or a 4xx."""
    return found in (FINE_IN_A_CHILD if format_ in IN_A_CHILD else FINE)


def fuzz(
    formats: tuple[str, ...], seed: int, count: int, found: Callable[[str, int, str], None]
) -> dict[str, Counter[str]]:
    """Counts per format and outcome of `count` spoilt uploads of each; `found` is told the findings."""
    counts: dict[str, Counter[str]] = {}
    for format_ in formats:
        counts[format_] = Counter()
        for index, what in outcomes(format_, seed, count):
            fine = is_fine(format_, what)
            counts[format_][what if fine else "FINDING"] += 1
            if not fine:
                found(format_, index, what)
    return counts


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("number", type=int, help="of spoilt uploads, of all formats together")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--formats", nargs="+", default=list(SEEDS), choices=list(SEEDS))
    parser.add_argument("--keep", type=Path, default=Path("fuzz-findings"), help="folder for failing inputs")
    options = parser.parse_args()
    os.environ.setdefault("POLARS_MAX_THREADS", "1")
    start_fork_server()
    kinds: Counter[str] = Counter()

    def keep(format_: str, index: int, what: str) -> None:
        kinds[what[:60]] += 1
        if kinds[what[:60]] <= 5:
            options.keep.mkdir(exist_ok=True)
            path = options.keep / f"{format_.replace(' ', '-')}-{options.seed}-{index}"
            path.write_bytes(mutated(format_, options.seed, index))
            print(f"  {path}: {what}", flush=True)

    each, start = -(-options.number // len(options.formats)), time.monotonic()
    for format_ in options.formats:
        begun = time.monotonic()
        counts = fuzz((format_,), options.seed, each, keep)[format_]
        told = ", ".join(f"{what} {count:,}" for what, count in sorted(counts.items()))
        print(
            f"{format_:12} {sum(counts.values()):9,} in {time.monotonic() - begun:6.0f} s: {told}", flush=True
        )
    total = each * len(options.formats)
    print(f"{total:,} spoilt uploads in {time.monotonic() - start:.0f} s, {sum(kinds.values()):,} findings")
    sys.exit(bool(kinds))


if __name__ == "__main__":
    main()
