"""Defining networks."""

from collections.abc import Mapping, Sequence
from typing import Any

from backpropd_client.core.steps import Request, Steps, asked, creating


def create(
    name: str, layers: Sequence[Mapping[str, Any]] | None, template: Mapping[str, Any] | None
) -> Steps[dict[str, Any]]:
    """Define a network by its layers or as a template."""
    given = {"name": name, "layers": layers, "template": template}
    body = {field: value for field, value in given.items() if value is not None}
    return (yield from asked(Request("POST", "/v1/networks", json=body, headers=creating())))


def summary(network_id: str, input_shape: Sequence[int], outputs: int) -> Steps[dict[str, Any]]:
    """Shapes, parameters and costs of a network's layers."""
    shape = ",".join(map(str, input_shape))
    params: dict[str, str | int | float | None] = {"input_shape": shape, "outputs": outputs}
    return (yield from asked(Request("GET", f"/v1/networks/{network_id}/summary", params=params)))
