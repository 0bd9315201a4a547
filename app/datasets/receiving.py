"""The body of an upload, raw or as a form, from the network into a file, at a flat cost in memory.

Starlette's own form parser spools into /tmp and knows no limit; here a form's file goes straight into
the data folder and is counted on its way.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from fastapi import Request
from fastapi.concurrency import run_in_threadpool
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.datastructures import Headers

from app.bodies import bounded
from app.datasets.formats import Coding, Format, label_of, media_type, of_body, of_file
from app.datasets.spool import Spool, too_large
from app.problems import Invalid, UnsupportedMediaType

CHUNK = 1 << 20  # handed to a thread at a time: hashing and writing would hold up the event loop
FORM_EXTRA = 1 << 16  # bytes that a form may have around its file
NAME_BYTES = 1 << 12


@dataclass(frozen=True)
class Upload:
    """An upload on the disk, decompressed."""

    path: Path
    format: Format
    bytes: int
    sha256: str
    name: str  # that the form gave, or its filename; may be empty


Arrived = Callable[[int, Format | None], None]
"""Is told how many bytes of an upload are on the disk, decompressed, and their format once that is known."""


async def receive(request: Request, path: Path, limit: int, arrived: Arrived) -> Upload:
    """Write the body's table to `path`; at most `limit` bytes, compressed and decompressed.

    `arrived`: is called from time to time. Raises `UnsupportedMediaType`, `TooLarge`, and `Invalid` for a broken form
    or broken gzip data.
    """
    body = _body(request.headers, path, limit)
    with closing(body):
        async for chunk in _large_chunks(request.stream()):
            await run_in_threadpool(body.write, chunk)
            arrived(*body.so_far())
        return await run_in_threadpool(body.finish)


async def receive_raw(request: Request, path: Path, limit: int) -> int:
    """Write the body to `path` as it comes; its bytes. Raises `TooLarge` beyond `limit` of them."""
    over = f"the body is larger than the {limit:,} bytes that are allowed"
    with path.open("wb") as file:
        async for chunk in _large_chunks(bounded(request, limit, over)):
            await run_in_threadpool(file.write, chunk)
        return file.tell()


async def _large_chunks(stream: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    gathered = bytearray()
    async for chunk in stream:
        gathered += chunk
        if len(gathered) >= CHUNK:
            yield bytes(gathered)
            gathered.clear()
    yield bytes(gathered)


class _Body(Protocol):
    def write(self, data: bytes) -> None: ...
    def so_far(self) -> tuple[int, Format | None]: ...
    def finish(self) -> Upload: ...
    def close(self) -> None: ...


def _body(headers: Headers, path: Path, limit: int) -> _Body:
    content_type, encoding = headers.get("content-type", ""), headers.get("content-encoding", "")
    if media_type(content_type) != "multipart/form-data":
        coding = of_body(content_type, encoding)
        _refuse_announced(headers, limit)
        return _Raw(Spool(path, limit, gzip=coding.gzip), coding)
    if encoding:
        raise UnsupportedMediaType(
            "a form has no Content-Encoding here; send its file compressed, as name.csv.gz"
        )
    boundary = parse_options_header(content_type)[1].get(b"boundary")
    if not boundary:
        raise UnsupportedMediaType("multipart/form-data needs a boundary")
    _refuse_announced(headers, limit + FORM_EXTRA)
    return _Form(path, limit, boundary)


def _refuse_announced(headers: Headers, limit: int) -> None:
    """Spare both sides the transfer; what really comes is counted all the same."""
    if int(headers.get("content-length", 0)) > limit:
        raise too_large(limit)


class _Raw:
    """The body is the file."""

    def __init__(self, spool: Spool, coding: Coding) -> None:
        self._spool = spool
        self._coding = coding
        self.write = spool.write
        self.close = spool.close

    def so_far(self) -> tuple[int, Format | None]:
        return self._spool.bytes, self._coding.format

    def finish(self) -> Upload:
        sha256 = self._spool.finish()
        return Upload(self._spool.path, self._coding.format, self._spool.bytes, sha256, "")


class _Form:
    """The body is a form with the fields `file` and, if wanted, `name`, in any order (RFC 7578)."""

    def __init__(self, path: Path, limit: int, boundary: bytes) -> None:
        self._path = path
        self._limit = limit
        self._left = limit + FORM_EXTRA
        self._headers: dict[bytes, bytes] = {}
        self._header = (b"", b"")
        self._seen: set[str] = set()
        self._filename = ""
        self._name = bytearray()
        self._take: Callable[[bytes], None] = self._take_name  # where the part's data go
        self._spool: Spool | None = None
        self._coding: Coding | None = None
        self._complete = False
        try:
            self._parser = MultipartParser(
                boundary,
                {
                    "on_part_begin": self._on_part_begin,
                    "on_header_field": self._on_header_field,
                    "on_header_value": self._on_header_value,
                    "on_header_end": self._on_header_end,
                    "on_headers_finished": self._on_headers_finished,
                    "on_part_data": self._on_part_data,
                    "on_end": self._on_end,
                },
            )
        except FormParserError as error:
            raise Invalid(f"the form is broken: {error}", code="unreadable_form") from None

    def write(self, data: bytes) -> None:
        self._left -= len(data)
        if self._left < 0:
            raise too_large(self._limit)
        try:
            self._parser.write(data)
        except FormParserError as error:
            raise Invalid(f"the form is broken: {error}", code="unreadable_form") from None

    def so_far(self) -> tuple[int, Format | None]:
        if self._spool is None or self._coding is None:
            return 0, None
        return self._spool.bytes, self._coding.format

    def finish(self) -> Upload:
        if not self._complete:
            raise Invalid("the form ends before its last boundary", code="unreadable_form")
        if self._spool is None or self._coding is None:
            raise Invalid.at("/file", "the form needs a file in the field 'file'")
        sha256 = self._spool.finish()
        name = _decoded(bytes(self._name), "/name") if "name" in self._seen else label_of(self._filename)
        return Upload(self._path, self._coding.format, self._spool.bytes, sha256, name)

    def close(self) -> None:
        if self._spool is not None:
            self._spool.close()

    def _on_part_begin(self) -> None:
        self._headers = {}

    def _on_header_field(self, data: bytes, start: int, end: int) -> None:
        self._header = (self._header[0] + data[start:end], self._header[1])

    def _on_header_value(self, data: bytes, start: int, end: int) -> None:
        self._header = (self._header[0], self._header[1] + data[start:end])

    def _on_header_end(self) -> None:
        self._headers[self._header[0].lower()] = self._header[1]
        self._header = (b"", b"")

    def _on_headers_finished(self) -> None:
        _, options = parse_options_header(self._headers.get(b"content-disposition"))
        field = _decoded(options.get(b"name", b""), "")
        if field in self._seen:
            raise Invalid.at(f"/{field}", f"the field {field!r} comes twice")
        self._seen.add(field)
        if field == "name":
            self._take = self._take_name
        elif field == "file":
            self._begin_file(_decoded(options.get(b"filename", b""), "/file"))
        else:
            raise Invalid(f"unknown field {field[:40]!r} in the form; allowed are 'file' and 'name'")

    def _begin_file(self, filename: str) -> None:
        self._filename = filename
        self._coding = of_file(self._headers.get(b"content-type", b"").decode("latin-1"), filename)
        self._spool = Spool(self._path, self._limit, gzip=self._coding.gzip)
        self._take = self._spool.write

    def _on_part_data(self, data: bytes, start: int, end: int) -> None:
        self._take(data[start:end])

    def _take_name(self, data: bytes) -> None:
        self._name += data
        if len(self._name) > NAME_BYTES:
            raise Invalid.at("/name", "the name is longer than 200 characters")

    def _on_end(self) -> None:
        self._complete = True


def _decoded(text: bytes, pointer: str) -> str:
    try:
        return text.decode()
    except UnicodeDecodeError:
        raise Invalid.at(pointer, "the form's names must be UTF-8") from None
