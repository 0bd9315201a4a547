"""What data sets look like on the wire."""

import json
from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, field_validator

from app.datasets.formats import Format
from app.names import Label, Tag
from engine.encoding import ColumnProfile, ColumnType, DatasetWarning

_CSV = "species,bill_length_mm,sex\nAdelie,39.1,male\nGentoo,46.1,NA\nChinstrap,46.5,female\n"
_RECORDS: list[dict[str, Any]] = [
    {"species": "Adelie", "bill_length_mm": 39.1, "sex": "male"},
    {"species": "Gentoo", "bill_length_mm": 46.1, "sex": None},
]
_TEXT = {"type": "string"}
_BINARY = {"type": "string", "format": "binary"}

UPLOAD_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "description": "The file itself, as it lies on the disk, or a form. "
        "`Content-Encoding: gzip` is accepted.",
        "content": {
            "text/csv": {"schema": _TEXT, "example": _CSV},
            "text/tab-separated-values": {"schema": _TEXT, "example": _CSV.replace(",", "\t")},
            "application/x-ndjson": {
                "schema": _TEXT,
                "example": "".join(json.dumps(record) + "\n" for record in _RECORDS),
            },
            "application/json": {
                "schema": {"type": "array", "items": {"type": "object"}},
                "example": _RECORDS,
            },
            "application/vnd.apache.parquet": {"schema": _BINARY},
            "application/vnd.apache.arrow.file": {"schema": _BINARY},
            "application/x-npz": {"schema": _BINARY},
            "application/zip": {"schema": _BINARY},
            "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": {"schema": _BINARY},
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["file"],
                    "properties": {"file": _BINARY, "name": {"type": "string", "maxLength": 200}},
                }
            },
        },
    }
}
"""The body of an upload in OpenAPI's words: FastAPI sees only that it is streamed."""


class ColumnOverride(BaseModel):
    """A column and the type that it is to have."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(description="A column of the data set.", examples=["year"])
    type: ColumnType = Field(description="The type to read it as.", examples=["categorical"])


class DatasetChanges(BaseModel):
    """What to change of a data set; what is left out or null stays."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "name": "Palmer penguins",
                    "tags": ["demo"],
                    "columns": [{"name": "year", "type": "categorical"}],
                }
            ]
        },
    )

    name: Label | None = Field(None, description="A label of your choice; it need not be unique.")
    tags: list[Tag] | None = Field(None, max_length=32, description="Labels to find the data set by.")
    columns: list[ColumnOverride] | None = Field(
        None, max_length=10_000, description="Columns to read as other types than the ones found."
    )

    @field_validator("columns")
    @classmethod
    def _each_column_once(cls, columns: list[ColumnOverride] | None) -> list[ColumnOverride] | None:
        names = [column.name for column in columns or []]
        if len(set(names)) < len(names):
            raise ValueError("a column may be named only once")
        return columns


class TableReport(BaseModel):
    """What was found in a table."""

    rows: int
    columns: list[ColumnProfile] = Field(description="In the table's order.")
    warnings: list[DatasetWarning] = Field(description="What to look at before training.")


class DatasetItem(BaseModel):
    """A data set in a list."""

    model_config = ConfigDict(from_attributes=True)

    id: str = Field(examples=["ds_0190a0b1c2d37e4f8a9b0c1d2e3f4a5b"])
    name: str
    tags: list[str]
    rows: int
    bytes: int = Field(description="Size of the upload, decompressed.")
    sha256: str = Field(description="Of the upload, decompressed.")
    format: Format = Field(description="Of the upload.")
    created_at: datetime


class DatasetDetail(TableReport, DatasetItem):
    """A data set with the profile of its columns."""


class Rows(BaseModel):
    """Some rows of a data set."""

    items: list[dict[str, Any]] = Field(
        description="In the table's order; missing values are null, times ISO 8601 in UTC, images PNG files in "
        "base64, arrays nested lists, or a summary where they have more than 1,000 numbers.",
        examples=[[{"species": "Adelie", "bill_length_mm": 39.1, "sex": None}]],
    )
    next_cursor: str | None = Field(description="Cursor of the next rows; null after the last ones.")
