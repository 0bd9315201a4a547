"""A tiny table in every format, and what tests ask of a service that holds it."""

import io
import json
from typing import Any

import polars as pl
from other_files import xlsx

from app.datasets.formats import MEDIA_TYPES
from engine.encoding import ColumnType

CSV, TSV, NDJSON, JSON, PARQUET, ARROW, NPZ, ZIP, XLSX = MEDIA_TYPES

FRAME = pl.DataFrame(
    {
        "word": ["a", "b", None, "a"],
        "number": [1.5, None, 3.0, -2.0],
        "whole": [1, 2, 3, 4],
        "truth": [True, False, None, True],
    }
)
RECORDS = FRAME.to_dicts()
TYPES: dict[str, ColumnType] = {
    "word": "categorical",
    "number": "numeric",
    "whole": "numeric",
    "truth": "boolean",
}


def parquet(frame: pl.DataFrame) -> bytes:
    frame.write_parquet(buffer := io.BytesIO())
    return buffer.getvalue()


def arrow(frame: pl.DataFrame) -> bytes:
    frame.write_ipc(buffer := io.BytesIO())
    return buffer.getvalue()


def ndjson(records: list[dict[str, Any]]) -> bytes:
    return b"".join(json.dumps(record).encode() + b"\n" for record in records)


FILES = {
    CSV: FRAME.write_csv().encode(),
    TSV: FRAME.write_csv(separator="\t").encode(),
    NDJSON: ndjson(RECORDS),
    JSON: json.dumps(RECORDS).encode(),
    PARQUET: parquet(FRAME),
    ARROW: arrow(FRAME),
    XLSX: xlsx({"one": [FRAME.columns, *FRAME.rows()], "two": [["a"], [1]]}),
}
"""The table in every format for tables."""


def rows_of(service, dataset_id: str) -> list[dict[str, Any]]:
    return service.client.get(f"/v1/datasets/{dataset_id}/rows", params={"limit": 100}).json()["items"]


def types_of(dataset: dict[str, Any]) -> dict[str, str]:
    return {column["name"]: column["type"] for column in dataset["columns"]}


def assert_problem(response: Any, status: int, code: str, sentence: str) -> dict[str, Any]:
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    problem = response.json()
    assert set(problem) == {"type", "title", "status", "detail", "instance", "errors"}
    assert (problem["type"], problem["status"]) == (f"urn:backpropd:{code}", status)
    assert sentence in problem["detail"]
    return problem
