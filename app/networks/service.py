"""The rules of networks: what may be kept, and what one costs."""

from sqlalchemy.orm import Session

from app.database import now
from app.ids import new_id
from app.networks import store
from app.networks.schemas import Network, NetworkItem, NetworkRequest
from app.networks.store import NetworkRow
from app.paging import Page, page
from app.problems import Invalid, NotFound, to_pointer
from engine.arrays import Shape, size
from engine.network import NetworkSpec
from engine.spec import InvalidSpec
from engine.summary import LayerSummary, NetworkSummary, summarize
from engine.templates import AnyTemplate

ITEM_BYTES = 4  # float32
LONG_ROW = (5040,)  # fills many shapes: it can be divided by every number up to 10


def create(session: Session, request: NetworkRequest, *, memory_budget: int) -> Network:
    """Keep a network; raises `Invalid` for one that cannot work or cannot fit into `memory_budget` bytes."""
    spec = _spec(request)
    _check(spec, memory_budget, from_template=request.template is not None)
    row = NetworkRow(
        id=new_id("net"),
        name=request.name,
        template=request.template and request.template.model_dump(mode="json"),
        spec=spec.model_dump(mode="json"),
        created_at=now(),
    )
    session.add(row)
    session.flush()
    return _view(row)


def listed(session: Session, *, name: str | None, limit: int, cursor: str | None) -> Page[NetworkItem]:
    """A page of networks, filtered."""
    return page(session, store.matching(name), NetworkRow.id, limit=limit, cursor=cursor, view=_item)


def get(session: Session, network_id: str) -> Network:
    """The network of this id; raises `NotFound`."""
    return _view(_row(session, network_id))


def get_spec(session: Session, network_id: str) -> NetworkSpec:
    """The network of this id as the engine takes it; raises `NotFound`."""
    return NetworkSpec.model_validate(_row(session, network_id).spec)


def delete(session: Session, network_id: str) -> None:
    """Forget a network; jobs keep copies of theirs. Raises `NotFound`."""
    session.delete(_row(session, network_id))


def summary(session: Session, network_id: str, *, input_shape: Shape | None, outputs: int) -> NetworkSummary:
    """What the network costs for rows of `input_shape`, or of its own.

    Raises `NotFound`, and `Invalid` naming the layer that cannot take what comes in.
    """
    spec = get_spec(session, network_id)
    shape = input_shape or spec.row_shape
    if shape is None:
        raise Invalid.at(
            "/query/input_shape",
            "this network leaves its input to the data: say the shape of one row, as in 8 or 28x28x1",
        )
    try:
        return summarize(spec.resolve(outputs), shape)
    except InvalidSpec as error:
        raise Invalid.at(to_pointer(error.path), _sentence(error, spec)) from None


def _row(session: Session, network_id: str) -> NetworkRow:
    row = store.get(session, network_id)
    if row is None:
        raise NotFound(f"there is no network {network_id[:100]}")
    return row


def _item(row: NetworkRow) -> NetworkItem:
    return NetworkItem.model_validate(row, from_attributes=True)


def _view(row: NetworkRow) -> Network:
    return Network(**_item(row).model_dump(), **row.spec)


def of_template(template: AnyTemplate) -> NetworkSpec:
    """The network that a template makes; raises `Invalid` at `/template`."""
    try:
        return template.build()
    except InvalidSpec as error:
        raise Invalid.spec(error, "template") from None


def _spec(request: NetworkRequest) -> NetworkSpec:
    if request.layers is not None and request.template is not None:
        raise Invalid.at("/template", "give layers or a template, not both")
    if request.layers is not None:
        return NetworkSpec(layers=request.layers, input_shape=request.input_shape)
    if request.template is None:
        raise Invalid.at("/layers", "give layers or a template")
    spec = of_template(request.template)
    return spec.model_copy(update={"input_shape": request.input_shape or spec.input_shape})


def _check(spec: NetworkSpec, memory_budget: int, *, from_template: bool) -> None:
    """Refuse what can never run, before anything is allocated: counted in whole numbers without bounds."""
    try:
        # Where the data decides the input, one value a row is the least that can come in.
        least = summarize(spec.resolve(1), spec.row_shape or (1,), batch=1, slots=0)
    except InvalidSpec as error:
        wrong = error if spec.row_shape else _wrong_for_any_rows(spec, error)
        if wrong is None:
            return
        pointer = "/template" if from_template else to_pointer(wrong.path)
        raise Invalid.at(pointer, _sentence(wrong, spec)) from None
    if least.training_bytes > memory_budget:
        layer = max(range(len(spec.layers)), key=lambda i: _weight(least.layers[i]))
        raise Invalid.at(
            "/template" if from_template else f"/layers/{layer}",
            f"the network needs more memory than the {memory_budget} bytes that a job may have, "
            f"most of it for layer {layer} ({spec.layers[layer].kind})",
        )


def _wrong_for_any_rows(spec: NetworkSpec, error: InvalidSpec) -> InvalidSpec | None:
    """What is wrong whatever comes in; None where an error with rows of one value is about these rows."""
    if _about_the_rows(error):
        return None
    try:
        spec.resolve(1).build(LONG_ROW)
    except InvalidSpec as still:
        return None if _about_the_rows(still) else still
    return None


def _about_the_rows(error: InvalidSpec) -> bool:
    """Whether a layer as a whole is to blame, not one of its fields."""
    return len(error.path) <= len(("layers", 0))


def _weight(layer: LayerSummary) -> int:
    """Bytes of a layer's parameters, gradients and output."""
    return 2 * layer.bytes + ITEM_BYTES * size(tuple(layer.output_shape))


def _sentence(error: InvalidSpec, spec: NetworkSpec) -> str:
    """What is wrong, with the layer by number and kind."""
    match error.path:
        case ("layers", int(i), *_):
            return f"layer {i} ({spec.layers[i].kind}): {error.detail}"
        case _:
            return error.detail
