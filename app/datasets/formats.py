"""The formats that tables come in, and how a request says which one it is."""

from pathlib import PurePosixPath
from typing import Literal, NamedTuple

from app.problems import UnsupportedMediaType

Format = Literal["csv", "tsv", "ndjson", "json", "parquet", "arrow", "npz", "zip", "xlsx"]

MEDIA_TYPES: dict[str, Format] = {
    "text/csv": "csv",
    "text/tab-separated-values": "tsv",
    "application/x-ndjson": "ndjson",
    "application/json": "json",
    "application/vnd.apache.parquet": "parquet",
    "application/vnd.apache.arrow.file": "arrow",
    "application/x-npz": "npz",
    "application/zip": "zip",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": "xlsx",
}

ENDINGS: dict[str, Format] = {
    ".csv": "csv",
    ".tsv": "tsv",
    ".ndjson": "ndjson",
    ".jsonl": "ndjson",
    ".json": "json",
    ".parquet": "parquet",
    ".arrow": "arrow",
    ".feather": "arrow",
    ".npz": "npz",
    ".zip": "zip",
    ".xlsx": "xlsx",
}


DELIMITERS: dict[Format, str] = {"csv": ",;\t", "tsv": "\t"}
"""Of delimited text; where there are several, the header decides."""

FROM_BYTES = 1 << 26
"""Delimited text of at least so many bytes is read in pieces, and while it is still on its way."""


class Coding(NamedTuple):
    """How the bytes of an upload are to be read."""

    format: Format
    gzip: bool


def media_type(content_type: str) -> str:
    """A Content-Type without its parameters."""
    return content_type.partition(";")[0].strip().lower()


def of_body(content_type: str, content_encoding: str) -> Coding:
    """The coding that the headers name; raises `UnsupportedMediaType`."""
    format_ = MEDIA_TYPES.get(media_type(content_type))
    if format_ is None:
        given = (
            f"the Content-Type {content_type[:100]!r} is not read here" if content_type else "no Content-Type"
        )
        raise UnsupportedMediaType(f"{given}; allowed are {', '.join(MEDIA_TYPES)} and multipart/form-data")
    encoding = content_encoding.strip().lower()
    if encoding not in {"", "identity", "gzip"}:
        raise UnsupportedMediaType(
            f"the Content-Encoding {encoding[:100]!r} is not read here; allowed is gzip"
        )
    return Coding(format_, gzip=encoding == "gzip")


def of_file(content_type: str, filename: str) -> Coding:
    """The coding of a form's file: by its own Content-Type, else by the filename's ending."""
    endings = [ending.lower() for ending in PurePosixPath(filename).suffixes]
    gzip = endings[-1:] == [".gz"]
    format_ = MEDIA_TYPES.get(media_type(content_type)) or ENDINGS.get(
        "".join(endings[:-1][-1:] if gzip else endings[-1:])
    )
    if format_ is None:
        raise UnsupportedMediaType(
            f"the file {filename[:100]!r} says neither by a Content-Type nor by its ending what it is; "
            f"allowed are {', '.join(MEDIA_TYPES)} and the endings {', '.join(ENDINGS)}, each also with .gz"
        )
    return Coding(format_, gzip)


def label_of(filename: str) -> str:
    """A data set's name out of a filename, without folders and known endings."""
    name = filename.replace("\\", "/").rpartition("/")[2]
    for ending in (".gz", *ENDINGS):
        if name.lower().endswith(ending):
            name = name[: -len(ending)]
    return name.strip()
