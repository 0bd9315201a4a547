"""Uploading: files, frames, arrays and records become data sets."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar

from backpropd_client.core.steps import Request, Steps, asked, attempted, creating, worked
from backpropd_client.core.things import address, delete
from backpropd_client.errors import BackpropdError
from backpropd_client.resources import DatasetFields
from backpropd_client.tables import table_of
from backpropd_client.tables.base import Upload

Result = TypeVar("Result")

UPLOAD_SECONDS = 330.0
"""How long the answer to an upload may take: the service reads the table before it answers, for 300 s at most."""

_ID = re.compile(r"ds_[0-9a-f]{32}")
_MEDIA_TYPES = {
    ".csv": "text/csv",
    ".tsv": "text/tab-separated-values",
    ".ndjson": "application/x-ndjson",
    ".jsonl": "application/x-ndjson",
    ".json": "application/json",
    ".parquet": "application/vnd.apache.parquet",
    ".arrow": "application/vnd.apache.arrow.file",
    ".feather": "application/vnd.apache.arrow.file",
    ".npz": "application/x-npz",
    ".zip": "application/zip",
    ".xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}

Data = Any
"""What can be learned from: a path, a data set or its id, records, a pandas or polars DataFrame, or arrays (x, y)."""


def upload(
    data: Data,
    *,
    name: str | None = None,
    image_size: int | None = None,
    sheet: str | None = None,
    types: Mapping[str, str] | None = None,
    key: str | None = None,
) -> Steps[dict[str, Any]]:
    """Upload a path or a table; the data set. `types`: what columns are, where the values do not tell.

    Raises `FileNotFoundError`, `ValueError` for an ending that says nothing, and `TypeError`.
    """
    with _file_of(data) as write:
        file = yield from worked(write)
        headers = {"Content-Type": file.media_type} | ({"Content-Encoding": "gzip"} if file.gzip else {})
        request = Request(
            "POST",
            "/v1/datasets",
            params={"name": name or file.name, "image_size": image_size, "sheet": sheet},
            body=file.path,
            headers=headers | creating(key),
            seconds=UPLOAD_SECONDS,
        )
        dataset = yield from asked(request)
    return (yield from _typed(dataset, {**file.types, **(types or {})}))


def dataset_of(data: Data, name: str | None = None, key: str | None = None) -> Steps[tuple[str, bool]]:
    """The id of the data set that the data are, and whether it was uploaded for this."""
    known = _known_id(data)
    if known is not None:
        return known, False
    dataset = yield from upload(data, name=name, key=key)
    return str(dataset["id"]), True


def using(data: Data, use: Callable[[str], Steps[Result]]) -> Steps[Result]:
    """What `use` does with the id of the data set; one that was uploaded for it is deleted again."""
    dataset_id, is_new = yield from dataset_of(data)
    result = yield from attempted(use(dataset_id))
    if is_new:
        yield from delete(DatasetFields.PATH, dataset_id)
    if isinstance(result, BackpropdError):
        raise result
    return result


def target_of(data: Data) -> str | list[str] | None:
    """The columns that the data themselves name as the target: the y of a pair of arrays."""
    return table_of(data).target if isinstance(data, tuple) else None


def _typed(dataset: dict[str, Any], types: Mapping[str, str]) -> Steps[dict[str, Any]]:
    """The data set with these columns read as these types."""
    found = {column["name"]: column["type"] for column in dataset["columns"]}
    others = [{"name": name, "type": type_} for name, type_ in types.items() if found.get(name) != type_]
    if not others:
        return dataset
    path = address(DatasetFields.PATH, dataset["id"])
    request = Request("PATCH", path, json={"columns": others}, repeatable=True, seconds=UPLOAD_SECONDS)
    return (yield from asked(request))


def _known_id(data: Data) -> str | None:
    if isinstance(data, DatasetFields):
        return data.id
    return data if isinstance(data, str) and _ID.fullmatch(data) else None


@contextmanager
def _file_of(data: Data) -> Iterator[Callable[[], Upload]]:
    """What makes the file to upload; one that was written for it is there as long as the context."""
    if isinstance(data, str | Path):
        yield partial(_file_at, Path(data))
        return
    table = table_of(data)
    with TemporaryDirectory(prefix="backpropd-") as folder:
        yield partial(table.write, Path(folder))


def _file_at(path: Path) -> Upload:
    endings: Sequence[str] = [ending.lower() for ending in path.suffixes]
    gzip = endings[-1:] == [".gz"]
    (ending,) = (endings[:-1] if gzip else endings)[-1:] or [""]
    if not path.is_file():
        raise FileNotFoundError(f"there is no file {str(path)!r}, nor is that the id of a data set")
    if ending not in _MEDIA_TYPES:
        raise ValueError(
            f"{path.name!r} does not say by its ending what it is; known are {', '.join(_MEDIA_TYPES)}, "
            "each also with .gz"
        )
    name = path.name[: -len(".gz")] if gzip else path.name
    return Upload(path, _MEDIA_TYPES[ending], gzip, name[: -len(ending)])
