"""The rules of aliases: names that move from version to version, each move written down in the same transaction."""

from dataclasses import replace

from sqlalchemy.orm import Session

from app.audit.store import ASKED, Asked
from app.database import hold, now
from app.ids import new_id
from app.models import store
from app.models.alias_schemas import Alias, AliasAction, Aliases, AliasMove, GateOutcome
from app.models.store import AliasMoveRow, AliasRow
from app.ownership import owner_of
from app.paging import Page, page
from app.problems import Conflict, Invalid, NotFound
from app.webhooks.outbox import emit
from app.webhooks.schemas import Event

_TOLD: dict[AliasAction, Event] = {
    "moved": "alias.moved",
    "deleted": "alias.deleted",
    "refused": "alias.refused",
}
MOST_ALIASES = 100  # of one name
MOST_MOVES = 1000  # of one alias that are remembered


def listed(session: Session, name: str) -> Aliases:
    """All aliases of a name; raises `NotFound` where no model is called so."""
    _check_name(session, name)
    return Aliases(items=[Alias.model_validate(row) for row in store.aliases(session, name)])


def of_version(session: Session, name: str, version: int) -> list[str]:
    """The aliases that stand for a version."""
    return [row.alias for row in store.aliases(session, name) if row.version == version]


def get(session: Session, name: str, alias: str) -> Alias:
    """The alias; raises `NotFound`."""
    return Alias.model_validate(_row(session, name, alias))


def move(session: Session, name: str, alias: str, version: int, gate: GateOutcome | None = None) -> Alias:
    """Have the alias stand for a version from now on; `gate`: what was found before.

    Raises `NotFound` for the name, `Invalid` for the version, and `Conflict` where there are too many aliases.
    """
    hold(session, f"aliases {owner_of(session)} {name}")
    check_version(session, name, version)
    row = store.alias(session, name, alias)
    previous = None if row is None else row.version
    if row is None:
        if len(store.aliases(session, name)) >= MOST_ALIASES:
            raise Conflict(f"{name} has {MOST_ALIASES} aliases, which is the most; delete one first")
        row = AliasRow(owner=owner_of(session), name=name, alias=alias)
        session.add(row)
    if previous != version or gate is not None:
        row.version, row.moved_at = version, now()
        _write_down(session, name, alias, "moved", version, previous, gate)
    session.flush()
    return Alias.model_validate(row)


def check_version(session: Session, name: str, version: int) -> None:
    """Raise `NotFound` for the name, `Invalid` for a version that is not there."""
    _check_name(session, name)
    if store.of_version(session, name, version) is None:
        raise Invalid.at("/version", f"there is no version {version} of {name}")


def refuse(session: Session, name: str, alias: str, version: int, gate: GateOutcome) -> None:
    """Write down, here and in the log of changes, that a gate kept the alias where it is."""
    if (asked := session.info.get(ASKED)) is not None:
        session.info[ASKED] = replace(asked, status=Conflict.status)
    row = store.alias(session, name, alias)
    _write_down(session, name, alias, "refused", version, None if row is None else row.version, gate)


def delete(session: Session, name: str, alias: str) -> None:
    """Forget the alias, not its history; raises `NotFound`."""
    row = _row(session, name, alias)
    session.delete(row)
    _write_down(session, name, alias, "deleted", None, row.version, None)


def history(session: Session, name: str, alias: str, *, limit: int, cursor: str | None) -> Page[AliasMove]:
    """A page of what happened to the alias, which may be gone; raises `NotFound` where it never was."""
    query = store.moves(name, alias)
    if session.scalar(query.limit(1)) is None:
        raise NotFound(f"there is no alias {alias[:100]} of {name[:100]}, nor was there ever")
    return page(session, query, AliasMoveRow.id, limit=limit, cursor=cursor, view=AliasMove.model_validate)


def _write_down(
    session: Session,
    name: str,
    alias: str,
    action: AliasAction,
    version: int | None,
    previous: int | None,
    gate: GateOutcome | None,
) -> None:
    asked: Asked | None = session.info.get(ASKED)
    move = AliasMoveRow(
        id=new_id("alm"),
        owner=owner_of(session),
        name=name,
        alias=alias,
        action=action,
        version=version,
        previous_version=previous,
        key_id=asked and asked.key_id,
        at=now(),
        gate=gate and gate.model_dump(mode="json"),
    )
    session.add(move)
    session.flush()
    shown = AliasMove.model_validate(move).model_dump(mode="json")
    emit(session, move.owner, _TOLD[action], {"name": name, "alias": alias, **shown})
    store.forget_moves(session, name, alias, MOST_MOVES)


def _check_name(session: Session, name: str) -> None:
    if not store.has_name(session, name):
        raise NotFound(f"there is no model {name[:100]}")


def _row(session: Session, name: str, alias: str) -> AliasRow:
    row = store.alias(session, name, alias)
    if row is None:
        raise NotFound(f"there is no alias {alias[:100]} of {name[:100]}")
    return row
