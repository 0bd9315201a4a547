"""An upload on its way to the disk: counted, hashed and, where it is compressed, decompressed."""

import hashlib
import zlib
from collections.abc import Iterator
from pathlib import Path

from app.problems import Invalid, TooLarge

PIECE = 1 << 20
SLICE = 1 << 14
MAX_RATIO = 1000
"""Of decompressed to compressed bytes, beyond the first MiB. Tables reach 100; gzip's own limit is 1032."""


def too_large(limit: int) -> TooLarge:
    """The error of an upload of more than `limit` bytes."""
    return TooLarge(f"the upload is larger than the {limit:,} bytes that are allowed (max_upload_bytes)")


class Spool:
    """A file that an upload is written to."""

    def __init__(self, path: Path, limit: int, *, gzip: bool) -> None:
        self.path = path
        self.bytes = 0  # written, decompressed
        self._received = 0
        self._limit = limit
        self._hash = hashlib.sha256()
        self._gunzip = _Gunzip() if gzip else None
        self._file = path.open("wb")

    def write(self, data: bytes) -> None:
        """Take the next bytes; raises `TooLarge` beyond the limit, and `Invalid` for what is not gzip."""
        self._received += len(data)
        if self._received > self._limit:
            raise too_large(self._limit)
        for piece in [data] if self._gunzip is None else self._gunzip.pieces(data):
            self.bytes += len(piece)
            if self.bytes > self._limit:
                raise too_large(self._limit)
            if self.bytes > max(PIECE, MAX_RATIO * self._received):
                raise TooLarge(f"the body grows more than {MAX_RATIO} times when it is decompressed")
            self._hash.update(piece)
            self._file.write(piece)

    def finish(self) -> str:
        """End the file; its SHA-256. Raises `Invalid` where gzip data end too early."""
        if self._gunzip is not None:
            self._gunzip.finish()
        self.close()
        return self._hash.hexdigest()

    def close(self) -> None:
        """Close the file, whatever is in it."""
        self._file.close()


class _Gunzip:
    """Gzip data, of one member or several (RFC 1952), in pieces of bounded size."""

    def __init__(self) -> None:
        self._member = _member()
        self._begun = False

    def pieces(self, data: bytes) -> Iterator[bytes]:
        """What `data` decompress to. In slices, since each end of a member copies the rest of its slice."""
        self._begun |= bool(data)
        for start in range(0, len(data), SLICE):
            rest = data[start : start + SLICE]
            while rest:
                if self._member.eof:
                    self._member = _member()
                try:
                    piece = self._member.decompress(rest, PIECE)
                except zlib.error as error:
                    raise Invalid(f"the body is not valid gzip: {error}", code="unreadable_file") from None
                rest = self._member.unused_data if self._member.eof else self._member.unconsumed_tail
                yield piece

    def finish(self) -> None:
        if self._begun and not self._member.eof:
            raise Invalid("the gzip data end too early", code="unreadable_file")


def _member() -> "zlib._Decompress":
    return zlib.decompressobj(wbits=31)  # 31: gzip's header and checksum, window of 32 KiB
