"""The archive: a tar of the files and, last, a manifest with the length and the SHA-256 of each.

Whatever stands in an archive is checked before it is used: it may be torn, flipped, or somebody else's.
"""

import hashlib
import io
import os
import re
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import IO, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from app.database import now
from app.storage import sync

MANIFEST = "manifest.json"
MANIFEST_BYTES = 1 << 28  # at most: some millions of files
CHUNK_BYTES = 1 << 20
_NAME = re.compile(r"(?!.*\.\.)[a-z]+(/[A-Za-z0-9_][A-Za-z0-9._-]{0,200}){1,3}")


class DamagedArchive(Exception):
    """Not an archive of ours, or not whole any more; says what is wrong."""


class PackedFile(BaseModel):
    """What a file in the archive must be."""

    bytes: int
    sha256: str


class Manifest(BaseModel):
    """What the archive holds."""

    model_config = ConfigDict(extra="forbid")

    format: Literal["backpropd backup 1"] = "backpropd backup 1"
    made_at: datetime
    revision: str  # of the database's tables
    files: dict[str, PackedFile]


class _Hashed:
    """A stream whose bytes are counted and hashed as they pass."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self._sha256 = hashlib.sha256()
        self._bytes = 0

    def read(self, size: int = -1) -> bytes:
        """Read on."""
        data = self._stream.read(size)
        self._sha256.update(data)
        self._bytes += len(data)
        return data

    def facts(self) -> PackedFile:
        """Of all that was read."""
        return PackedFile(bytes=self._bytes, sha256=self._sha256.hexdigest())


def pack(folder: Path, archive: Path, revision: str) -> Manifest:
    """Write all files below `folder` into a new archive, durably; raises `FileExistsError` where there is one."""
    if archive.exists():
        raise FileExistsError(f"{archive} exists already")
    with _unfinished(archive) as partial:
        descriptor = os.open(
            partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600
        )  # for its owner's eyes alone
        with os.fdopen(descriptor, "wb") as stream, tarfile.open(fileobj=stream, mode="w") as tar:
            files = {
                path.relative_to(folder).as_posix(): _add(tar, path, path.relative_to(folder).as_posix())
                for path in sorted(folder.rglob("*"))
                if path.is_file()
            }
            manifest = Manifest(made_at=now(), revision=revision, files=files)
            _add_bytes(tar, MANIFEST, manifest.model_dump_json(indent=1).encode())
        sync(partial)
        partial.rename(archive)
        sync(archive.absolute().parent)
    return manifest


@contextmanager
def _unfinished(archive: Path) -> Iterator[Path]:
    partial = archive.with_name(f"{archive.name}.partial")
    try:
        yield partial
    finally:
        partial.unlink(missing_ok=True)


def _add(tar: tarfile.TarFile, path: Path, name: str) -> PackedFile:
    with path.open("rb") as stream:
        hashed = _Hashed(stream)
        tar.addfile(_entry(name, path.stat().st_size), hashed)
        return hashed.facts()


def _add_bytes(tar: tarfile.TarFile, name: str, data: bytes) -> None:
    tar.addfile(_entry(name, len(data)), io.BytesIO(data))


def _entry(name: str, size: int) -> tarfile.TarInfo:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode, entry.mtime = size, 0o600, int(now().timestamp())
    return entry


def unpack(archive: Path, folder: Path) -> Manifest:
    """Write the archive's files into `folder`; raises `DamagedArchive` unless each is as the manifest says."""
    try:
        with tarfile.open(archive, mode="r:") as tar:
            return _unpack(tar, folder)
    except (tarfile.TarError, EOFError, ValidationError) as error:
        raise DamagedArchive(
            f"not an archive of backpropd, or not whole: {str(error).splitlines()[0]}"
        ) from None


def _unpack(tar: tarfile.TarFile, folder: Path) -> Manifest:
    found: dict[str, PackedFile] = {}
    for entry in tar:
        stream = tar.extractfile(entry) if entry.isreg() else None
        if stream is None:
            raise DamagedArchive(f"{entry.name[:200]!r} is not a plain file")
        if entry.name == MANIFEST:
            manifest = Manifest.model_validate_json(stream.read(MANIFEST_BYTES))
            _compare(manifest.files, found)
            return manifest
        if not _NAME.fullmatch(entry.name) or entry.name in found:
            raise DamagedArchive(f"{entry.name[:200]!r} is no name of a file in a backup, or comes twice")
        found[entry.name] = _write(_Hashed(stream), folder / entry.name)
    raise DamagedArchive("it ends before its manifest")


def _write(stream: _Hashed, path: Path) -> PackedFile:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("xb") as out:
        while data := stream.read(CHUNK_BYTES):
            out.write(data)
    sync(path)
    return stream.facts()


def _compare(wanted: dict[str, PackedFile], found: dict[str, PackedFile]) -> None:
    for name, facts in wanted.items():
        if name not in found:
            raise DamagedArchive(f"{name} is missing")
        if found[name] != facts:
            raise DamagedArchive(f"{name} is not what was backed up: its SHA-256 differs")
    if extra := found.keys() - wanted.keys():
        raise DamagedArchive(f"{min(extra)} does not belong to it")
