"""Launching jobs, and what they come to."""

from collections.abc import Mapping, Sequence
from typing import Any

from backpropd_client.core import datasets
from backpropd_client.core.steps import Request, Steps, asked, creating
from backpropd_client.core.things import detailed, read, refresh
from backpropd_client.errors import JobCancelled, JobFailed
from backpropd_client.resources import JobFields, ModelFields, NetworkFields
from backpropd_client.tables import table_of

Network = NetworkFields | Mapping[str, Any] | Sequence[Mapping[str, Any]] | str
"""A network that was defined, or its id, its spec, or its layers alone."""
Target = str | Sequence[str] | None


def launch(
    data: datasets.Data,
    target: Target,
    fields: Mapping[str, Any],
    *,
    dataset_name: str | None = None,
    key: str | None = None,
) -> Steps[dict[str, Any]]:
    """Upload the data unless they are a data set, and queue a job on them; the job."""
    dataset_id, _ = yield from datasets.dataset_of(data, dataset_name, key)
    body = _body(dataset_id, datasets.target_of(data) if target is None else target, fields)
    return (yield from asked(Request("POST", JobFields.PATH, json=body, headers=creating(key))))


def plan(dataset_id: str, target: Target, fields: Mapping[str, Any]) -> Steps[dict[str, Any]]:
    """What a job would do; nothing is queued."""
    body = _body(dataset_id, target, fields)
    request = Request("POST", JobFields.PATH, params={"validate_only": "true"}, json=body, repeatable=True)
    return (yield from asked(request))


def act(job: JobFields, action: str) -> Steps[dict[str, Any]]:
    """Cancel, pause, resume or retry; the job. Of these only retry does more when it is done twice."""
    path = f"{job.PATH}/{job.id}/{action}"
    return (yield from asked(Request("POST", path, repeatable=action != "retry")))


def follow_up(job: JobFields, action: str, fields: Mapping[str, Any] | None) -> Steps[dict[str, Any]]:
    """Replay or continue; the new job."""
    path = f"{job.PATH}/{job.id}/{action}"
    return (yield from asked(Request("POST", path, json=fields, headers=creating())))


def change(job: JobFields, fields: Mapping[str, Any]) -> Steps[dict[str, Any]]:
    """Change a job that has not ended; the job."""
    request = Request("PATCH", f"{job.PATH}/{job.id}", json=dict(fields))
    return (yield from asked(request))


def history(job: JobFields, max_points: int) -> Steps[list[dict[str, Any]]]:
    """The points of the loss history."""
    request = Request("GET", f"{job.PATH}/{job.id}/history", params={"max_points": max_points})
    return list((yield from asked(request))["points"])


def answers(job: JobFields, rows: Any) -> Steps[list[dict[str, Any]]]:  # noqa: ANN401 - as `Model.answers` has them
    """What the weights of the newest checkpoint say of each row, in as many requests as the rows need."""
    yield from detailed(job)
    found: list[dict[str, Any]] = []
    for body in table_of(rows).bodies(_columns_read(job)):
        request = Request("POST", f"{job.PATH}/{job.id}/predict", json=body, repeatable=True)
        found += (yield from asked(request))["predictions"]
    return found


def _columns_read(job: JobFields) -> list[str]:
    """The columns that its weights read, in the service's order: of rows over time their time and series first."""
    series = job.data.get("series") or {}
    about = [series.get("time"), series.get("group")]
    return [*filter(None, about), *job.data["plan"]["features"]]


def model_of(job: JobFields) -> Steps[dict[str, Any]]:
    """The model of a job that has ended; raises `JobFailed` and `JobCancelled`."""
    yield from refresh(job)
    if job.status == "cancelled":
        raise JobCancelled(job.id)
    if job.model_id is None:
        error = job.data["error"] or {"code": job.status, "detail": "it has no model"}
        raise JobFailed(job.id, error["code"], error["detail"])
    return (yield from read(ModelFields.PATH, job.model_id))


def _body(dataset_id: str, target: Target, fields: Mapping[str, Any]) -> dict[str, Any]:
    given = {name: value for name, value in fields.items() if name != "network"}
    network: Network | None = fields.get("network")
    if isinstance(network, NetworkFields):
        given["network_id"] = network.id
    elif isinstance(network, str):
        given["network_id"] = network
    elif isinstance(network, Mapping):
        given["network"] = dict(network)
    elif network is not None:
        given["network"] = {"layers": list(network)}
    return {"dataset_id": dataset_id, "target": target, **given}
