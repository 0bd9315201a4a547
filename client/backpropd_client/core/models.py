"""Asking models."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from backpropd_client.core import datasets
from backpropd_client.core.steps import Request, Steps, asked, creating, sent
from backpropd_client.core.things import address, detailed, read
from backpropd_client.errors import BackpropdError
from backpropd_client.resources import ModelFields
from backpropd_client.tables import Table, table_of
from backpropd_client.tables.base import ROWS_AT_MOST

EVALUATE_SECONDS = 330.0
EXPLAIN_SECONDS = 150.0
"""How long answers may take: the service's own limits, and some."""

FORMATS = {".onnx": "onnx", ".safetensors": "safetensors", ".py": "python", ".npz": "keras_weights"}

WITH_PROBABILITIES = frozenset({"binary", "multiclass", "ordinal", "multilabel"})
"""Tasks whose answers have a probability for each class or label."""

Rows = Any
"""Rows to answer: records, a pandas or polars DataFrame, or an array."""


def answers(
    model: ModelFields, rows: Rows, interval: float | None = None, explain: str | None = None
) -> Steps[list[dict[str, Any]]]:
    """The service's answers, one a row."""
    return (yield from _answers(model, table_of(rows), interval, explain))


def predict(model: ModelFields, rows: Rows) -> Steps[Any]:
    """What the model says of each row, as the rows' own library has a column or a table."""
    table = table_of(rows)
    said = yield from _answers(model, table)
    columns = _columns(model, said)
    if said and "after" in said[0]:  # forecasts, one a series
        about: list[str] = [name for name in ("group", "after") if name in said[0]]
        series = {name: [answer.get(name) for answer in said] for name in about}
        return table.answer(series | columns, single=False, by_row=False)
    return table.answer(columns, single=len(columns) == 1 and model.task != "multilabel")


def predict_proba(model: ModelFields, rows: Rows) -> Steps[Any]:
    """The probability of each class, as a table with a column a class. Raises `ValueError` where there are none."""
    if model.task not in WITH_PROBABILITIES:
        raise ValueError(f"a model of the task {model.task} has no probabilities")
    table = table_of(rows)
    said = [answer["probabilities"] for answer in (yield from _answers(model, table))]
    names = list(said[0]) if said else [str(label) for label in model.classes or []]
    return table.answer({name: [row[name] for row in said] for name in names}, single=False)


def _answers(
    model: ModelFields, table: Table, interval: float | None = None, explain: str | None = None
) -> Steps[list[dict[str, Any]]]:
    """In as many requests as the rows need."""
    yield from detailed(model)
    found: list[dict[str, Any]] = []
    for body in table.bodies(model.features):
        if found and "after" in found[0]:
            raise ValueError(
                f"series are forecast from their newest rows: send at most {ROWS_AT_MOST:,} of them"
            )
        request = Request(
            "POST",
            f"{address(model.PATH, model.id)}/predict",
            params={"interval": interval, "explain": explain},
            json=body,
            repeatable=True,
            seconds=EXPLAIN_SECONDS if explain else None,
        )
        found += (yield from asked(request))["predictions"]
    return found


def evaluate(model: ModelFields, dataset_id: str, threshold_by: Any) -> Steps[dict[str, Any]]:  # noqa: ANN401
    """The report on the rows of a data set that holds the target."""
    body = {"dataset_id": dataset_id} | ({} if threshold_by is None else {"threshold_by": threshold_by})
    path = f"{address(model.PATH, model.id)}/evaluate"
    request = Request("POST", path, json=body, repeatable=True, seconds=EVALUATE_SECONDS)
    return dict((yield from asked(request))["evaluation"])


def explain(
    model: ModelFields, method: str, rows: Rows | None, options: Mapping[str, Any]
) -> Steps[dict[str, Any]]:
    """What a method says of rows, or of the model."""
    yield from detailed(model)
    records = {} if rows is None else {"records": table_of(rows).records(model.features)}
    body = {"method": method, **records, **options}
    request = Request(
        "POST",
        f"{address(model.PATH, model.id)}/explain",
        json=body,
        repeatable=True,
        seconds=EXPLAIN_SECONDS,
    )
    return (yield from asked(request))


def export(model: ModelFields, path: str | Path, format: str | None) -> Steps[Path]:  # noqa: A002
    """Write the model to a file, whose ending says the format unless that is given."""
    path = Path(path)
    chosen = format or FORMATS.get(path.suffix.lower())
    if chosen is None:
        raise ValueError(
            f"{path.name!r} does not say by its ending which format it is to be; give format, "
            f"or one of the endings {', '.join(FORMATS)}"
        )
    request = Request(
        "GET",
        f"{address(model.PATH, model.id)}/export",
        params={"format": chosen},
        save_to=path,
        seconds=EXPLAIN_SECONDS,
    )
    yield from sent(request)
    return path


def import_file(path: str | Path, name: str) -> Steps[dict[str, Any]]:
    """A model from a file that was exported as safetensors."""
    request = Request(
        "POST",
        "/v1/models/import",
        params={"name": name},
        body=Path(path),
        headers={"Content-Type": "application/octet-stream", **creating()},
        seconds=datasets.UPLOAD_SECONDS,
    )
    imported = yield from asked(request)
    return (yield from read(ModelFields.PATH, imported["id"]))


def _columns(model: ModelFields, said: Sequence[Mapping[str, Any]]) -> dict[str, list[Any]]:
    """The answers by the columns that they are about."""
    target = model.data["target"]
    match model.task:
        case "binary" | "multiclass" | "ordinal":
            return {target["name"]: [answer["label"] for answer in said]}
        case "multilabel":
            return {name: [int(name in answer["labels"]) for answer in said] for name in target["names"]}
        case "autoencoding":
            return {"reconstruction_error": [answer["reconstruction_error"] for answer in said]}
        case "regression" | "count":
            names = target["names"]
            if len(names) == 1:
                return {names[0]: [answer["value"] for answer in said]}
            return {name: [answer["values"][name] for answer in said] for name in names}
        case other:
            raise BackpropdError(f"this client does not know the task {other!r}; `answers` has what is said")
