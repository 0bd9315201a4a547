"""`backpropd demo`: a service, and the whole main job on it over HTTP, as any client would do it."""

import json
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from importlib.resources import files
from typing import Any

import httpx
from rich.console import Group
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from app.auth import service as auth
from app.database import Database, now
from app.demo.curve import loss_curve
from app.demo.service import NotStarted, console, started_service
from app.settings import Settings

NETWORK = {
    "name": "penguins",
    "layers": [
        {"kind": "dense", "units": 32},
        {"kind": "relu"},
        {"kind": "dense", "units": 16},
        {"kind": "relu"},
        {"kind": "dense"},
    ],
}
TRAINING = {"epochs": 100, "optimizer": {"kind": "adam", "learning_rate": 0.003}}
RECORDS: list[dict[str, Any]] = [
    {
        "island": "Torgersen",
        "bill_length_mm": 39.1,
        "bill_depth_mm": 18.7,
        "flipper_length_mm": 181,
        "body_mass_g": 3750,
    },
    {
        "island": "Biscoe",
        "bill_length_mm": 47.5,
        "bill_depth_mm": 15.0,
        "flipper_length_mm": 218,
        "body_mass_g": 5000,
    },
    {
        "island": "Atlantis",
        "bill_length_mm": 49.5,
        "bill_depth_mm": 19.0,
        "flipper_length_mm": 200,
        "body_mass_g": None,
    },
]


class DemoFailed(Exception):
    """What failed, for the person at the terminal."""


def demo(settings: Settings, *, keep_serving: bool) -> int:
    """Do the main job and print what comes of it; the exit code."""
    try:
        with (
            started_service(settings) as (url, service),
            httpx.Client(base_url=url, timeout=60, headers=_credentials(settings)) as client,
        ):
            _main_job(client)
            console.print(
                f"\n[bold]API and docs[/bold]  {url}/docs"
                f"\n[bold]The model[/bold]     {url}/v1/models/species-penguins"
                f"\n[bold]The data[/bold]      {settings.data.absolute()}"
            )
            if keep_serving:
                console.print("\nServing until Ctrl-C.")
                service.wait()
    except KeyboardInterrupt:
        console.print("\nStopped.")
    except (DemoFailed, NotStarted, OSError, httpx.HTTPError) as error:
        console.print(f"[bold red]The demo failed:[/bold red] {error}", highlight=False)
        return 1
    return 0


def _credentials(settings: Settings) -> dict[str, str]:
    """Where the data folder has keys, one of the demo's own for a day."""
    with closing(Database(settings.url)) as database:
        if not auth.any_key(database):
            return {}
        with database.write() as session:
            key = auth.make(
                session, "demo", "write", expires_at=now() + timedelta(days=1), note="backpropd demo"
            )
    return {"Authorization": f"Bearer {key.key}"}


def _main_job(client: httpx.Client) -> None:
    dataset = _upload(client)
    network = _ask(client, "POST", "/v1/networks", json=NETWORK)
    console.print(
        f"Defined network {network['id']}: " + " → ".join(layer["kind"] for layer in network["layers"])
    )
    job = _ask(
        client,
        "POST",
        "/v1/jobs",
        json={
            "dataset_id": dataset["id"],
            "target": "species",
            "network_id": network["id"],
            "model_name": "species-penguins",
            "training": TRAINING,
        },
    )
    plan = job["plan"]
    console.print(
        f"Launched job {job['id']}: {plan['task']}, since {plan['task_reason']}; "
        f"{plan['rows']['training']} rows to train, {plan['rows']['validation']} to validate, "
        f"{plan['network']['parameters']:,} parameters."
    )
    _follow(client, job)
    done = _ask(client, "GET", f"/v1/jobs/{job['id']}")
    if done["status"] != "succeeded":
        raise DemoFailed(
            f"the job is {done['status']}: {(done['error'] or {}).get('detail', 'no reason given')}"
        )
    _report(_ask(client, "GET", f"/v1/models/{done['model_id']}"))
    _predict(client, done["model_id"])


def _ask(client: httpx.Client, method: str, path: str, **content: Any) -> dict[str, Any]:  # noqa: ANN401 - httpx's
    """The answer, or what the problem says."""
    response = client.request(method, path, **content)
    if response.is_error:
        raise DemoFailed(f"{method} {path}: {response.status_code} {response.json()['detail']}")
    return dict(response.json())


def _upload(client: httpx.Client) -> dict[str, Any]:
    dataset = _ask(
        client,
        "POST",
        "/v1/datasets?name=penguins",
        content=files("app.demo").joinpath("penguins.csv").read_bytes(),
        headers={"Content-Type": "text/csv"},
    )
    table = Table(title=f"Uploaded {dataset['id']}: {dataset['rows']} penguins", title_justify="left")
    for heading in ("column", "type", "missing", "distinct", "mean or most frequent"):
        table.add_column(heading)
    for column in dataset["columns"]:
        typical = column["top"][0]["value"] if column["mean"] is None else f"{column['mean']:.1f}"
        table.add_row(
            column["name"], column["type"], str(column["missing"]), str(column["distinct"]), str(typical)
        )
    console.print(table)
    return dataset


def _follow(client: httpx.Client, job: dict[str, Any]) -> None:
    """Show the job's events as they come."""
    epochs = job["training"]["epochs"]
    progress = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("epochs"),
        TimeRemainingColumn(),
    )
    task = progress.add_task("training", total=epochs)
    points: list[dict[str, Any]] = []
    with Live(console=console, refresh_per_second=10) as live:
        for kind, data in _events(client, job["id"]):
            if kind == "epoch":
                points += data["points"]
                progress.update(task, completed=points[-1]["epoch"])
            if kind == "done" and points and points[-1]["epoch"] < epochs:
                progress.update(task, description="stopped early,", total=points[-1]["epoch"])
            live.update(Group(progress, loss_curve(points, epochs=epochs)))
            if kind == "done":
                return
    raise DemoFailed("the stream of events ended before the job did")


def _events(client: httpx.Client, job_id: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Server-sent events: kind and data."""
    with client.stream("GET", f"/v1/jobs/{job_id}/events") as response:
        kind = ""
        for line in response.iter_lines():
            field, _, value = line.partition(": ")
            if field == "event":
                kind = value
            elif field == "data":
                yield kind, json.loads(value)


def _report(model: dict[str, Any]) -> None:
    evaluation = model["evaluation"]
    console.print(
        f"\n[bold]Validation report[/bold] of {model['name']}:{model['version']} on "
        f"{evaluation['rows']} rows: accuracy [bold]{evaluation['accuracy']:.3f}[/bold], "
        f"log loss {evaluation['log_loss']:.3f}, ROC AUC {evaluation['roc_auc']:.3f}"
    )
    table = Table("species", "precision", "recall", "rows")
    for row in evaluation["per_class"]:
        table.add_row(
            str(row["label"]), f"{row['precision']:.3f}", f"{row['recall']:.3f}", str(row["support"])
        )
    console.print(table)


def _predict(client: httpx.Client, model_id: str) -> None:
    answer = _ask(client, "POST", f"/v1/models/{model_id}/predict", json={"records": RECORDS})
    table = Table(
        "record", "species", "probability", "warnings", title="Three predictions", title_justify="left"
    )
    for record, prediction in zip(RECORDS, answer["predictions"], strict=True):
        label = prediction["label"]
        shown = ", ".join(f"{value}" for value in record.values())
        table.add_row(
            shown, label, f"{prediction['probabilities'][label]:.3f}", "; ".join(prediction["warnings"])
        )
    console.print(table)
