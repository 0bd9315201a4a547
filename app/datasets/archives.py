"""Zip archives from strangers: looked at before anything in them is decompressed, and never unpacked to a disk."""

import stat
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from app.datasets.unreadable import unreadable

FILES_AT_MOST = 1_000_000
RATIO_AT_MOST = 1100
"""Decompressed bytes for each byte of the archive: deflate's own limit is 1032, many small files repeat little."""


@contextmanager
def opened(path: Path, what: str, most: int) -> Iterator[zipfile.ZipFile]:
    """The archive at `path`, of at most `most` bytes, decompressed; `what` names it in errors.

    Raises `Invalid` for what is none, and for one that grows out of all proportion.
    """
    if not path.stat().st_size:
        raise unreadable("the body is empty")
    try:
        archive = zipfile.ZipFile(path)
    except Exception as error:  # noqa: BLE001 - what the module raises for broken archives is not one class
        raise unreadable(f"not a valid {what}: {error}") from None
    with archive:
        entries = archive.infolist()
        if len(entries) > FILES_AT_MOST:
            raise unreadable(f"the archive holds {len(entries):,} files; at most {FILES_AT_MOST:,} are read")
        total = sum(entry.file_size for entry in entries)
        if total > most:
            raise unreadable(
                f"the archive holds {total:,} bytes, decompressed; at most {most:,} are read (max_upload_bytes)"
            )
        if total > RATIO_AT_MOST * path.stat().st_size:
            raise unreadable(f"the archive grows more than {RATIO_AT_MOST} times when it is decompressed")
        yield archive


def content(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> bytes:
    """A file of the archive, decompressed: never more bytes than its entry says. Raises `Invalid` that names it."""
    name = entry.filename[:200]
    if entry.flag_bits & 1:
        raise unreadable(f"{name!r} is encrypted")
    try:
        with archive.open(entry) as file:
            data = file.read(entry.file_size)
    except Exception as error:  # noqa: BLE001 - as above
        raise unreadable(f"{name!r} cannot be decompressed: {error}") from None
    if len(data) != entry.file_size:
        raise unreadable(f"{name!r} ends too early")
    return data


def is_link(entry: zipfile.ZipInfo) -> bool:
    """Whether the entry is a symbolic link, as archives made on Unix may hold."""
    return stat.S_ISLNK(entry.external_attr >> 16)
