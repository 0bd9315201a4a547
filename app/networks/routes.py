"""The HTTP of networks, and of the catalog of what they are made of."""

import re
from typing import Annotated

from fastapi import APIRouter, Body, Query, Response

from app.bodies import StrictRoute
from app.dependencies import ReadSessionDep, SettingsDep, WriteSessionDep
from app.errors import problems
from app.idempotency import OnceDep
from app.networks import service
from app.networks.schemas import EXAMPLES, Network, NetworkItem, NetworkRequest
from app.paging import Cursor, Limit, Page
from app.problems import Busy, Invalid, NotFound, StorageFull, TooLarge, UnsupportedMediaType
from engine.arrays import Shape
from engine.catalog import Catalog, catalog
from engine.summary import NetworkSummary

router = APIRouter(prefix="/v1", tags=["networks"], route_class=StrictRoute)

ShapeText = Annotated[
    str | None,
    Query(
        pattern=r"^[1-9][0-9]{0,9}([x,][1-9][0-9]{0,9}){0,7}$",
        description="Shape of one row: `8`, or `28x28x1` (or `28,28,1`). "
        "May be left out for a network that says it itself.",
        openapi_examples={"table": {"value": "4"}, "image": {"value": "28x28x1"}},
    ),
]


@router.post(
    "/networks",
    summary="Define a network",
    status_code=201,
    response_model=Network,
    responses=problems(Invalid, TooLarge, UnsupportedMediaType, Busy, StorageFull),
)
def create_network(
    request: Annotated[NetworkRequest, Body(openapi_examples=EXAMPLES)],
    session: WriteSessionDep,
    once: OnceDep,
    settings: SettingsDep,
) -> Response:
    """Keep a network for jobs to train: as a list of layers, or as a template that makes one.

    A last `dense` layer without `units` takes as many as the job's target needs. With an `input_shape`
    the network is checked as a whole at once; without one, when a job brings the data.
    """

    def create() -> tuple[Network, str]:
        network = service.create(session, request, memory_budget=settings.memory_budget)
        return network, f"/v1/networks/{network.id}"

    return once.answer(session, create)


@router.get("/networks", summary="List networks", responses=problems(Invalid))
def list_networks(
    session: ReadSessionDep,
    name: Annotated[str | None, Query(description="Only networks of exactly this name.")] = None,
    limit: Limit = 20,
    cursor: Cursor = None,
) -> Page[NetworkItem]:
    """Networks, newest first, without their layers."""
    return service.listed(session, name=name, limit=limit, cursor=cursor)


@router.get("/networks/{network_id}", summary="Get a network", responses=problems(NotFound))
def get_network(network_id: str, session: ReadSessionDep) -> Network:
    """A network with all its layers, each with every field filled in."""
    return service.get(session, network_id)


@router.delete(
    "/networks/{network_id}",
    summary="Delete a network",
    status_code=204,
    responses=problems(NotFound, Busy, StorageFull),
)
def delete_network(network_id: str, session: WriteSessionDep) -> None:
    """Forget a network. Jobs and models that were made with it keep copies of their own."""
    service.delete(session, network_id)


@router.get(
    "/networks/{network_id}/summary", summary="Summarize a network", responses=problems(NotFound, Invalid)
)
def summarize_network(
    network_id: str,
    session: ReadSessionDep,
    input_shape: ShapeText = None,
    outputs: Annotated[
        int,
        Query(ge=1, le=10**9, description="Outputs for the target: 3 for three classes, 1 for a number."),
    ] = 1,
) -> NetworkSummary:
    """What a network costs for given data, before anything of it is allocated.

    For each layer its output shape, parameters, multiply-adds, bytes and formula; totals; and the memory of
    a training step. Where a layer cannot take what comes in, the answer says which one and why.
    """
    return service.summary(session, network_id, input_shape=_shape(input_shape), outputs=outputs)


@router.get("/catalog", summary="Get the catalog")
def get_catalog() -> Catalog:
    """Everything that a network and its training can be made of.

    Each layer, activation, loss, optimizer, schedule, initializer and template with its formula in LaTeX,
    its source, and its parameters: type, default, bounds, meaning.
    """
    return catalog()


def _shape(text: str | None) -> Shape | None:
    return None if text is None else tuple(int(side) for side in re.split("[x,]", text))
