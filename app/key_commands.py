"""`backpropd keys`: the only way to the first key, for whoever has the data folder.

Keys go to standard output, one a line, what else there is to say to standard error.
"""

import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import timedelta
from typing import Any

from pydantic import ValidationError

import app.datasets.store
import app.idempotency
import app.jobs.store
import app.models.store
import app.networks.store  # noqa: F401 - all of them for the tables whose rows are adopted
from app.audit.store import ASKED, Asked
from app.auth import service
from app.auth.schemas import Key, KeyRequest
from app.database import Database, now
from app.ownership import any_unowned
from app.problems import Problem
from app.schema import current, is_current, migrate
from app.settings import Settings

PAGE = 100
LONGEST_DAYS = 36500


def create(
    settings: Settings, *, owner: str, scope: str, expires_days: int | None, note: str, adopt: bool
) -> None:
    """Make a key and print it; with `adopt`, its owner gets all that was made without keys."""
    if expires_days is not None and not 1 <= expires_days <= LONGEST_DAYS:
        sys.exit(f"backpropd: --expires-days is a number of days from 1 to {LONGEST_DAYS}")
    expires_at = now() + timedelta(days=expires_days) if expires_days else None
    request = _checked(owner=owner, scope=scope, expires_at=expires_at, note=note)
    with _database(settings, "create") as database, database.write() as session:
        key = service.make(
            session, request.owner, request.scope, expires_at=request.expires_at, note=request.note
        )
        if adopt:
            service.adopt(session, request.owner)
        left = any_unowned(session)
    _say(
        f"{key.id}: {key.scope} for {key.owner}. It is shown this once; send it as Authorization: Bearer ..."
    )
    if left:
        _say(
            "What was made while there were no keys belongs to nobody; another key with --adopt takes it over."
        )
    sys.stdout.write(f"{key.key}\n")


def show(settings: Settings, *, owner: str | None) -> None:
    """Print all keys, newest first, without their secrets."""
    columns = ("id", "prefix", "owner", "scope", "status", "expires_at", "last_used_at", "note")
    lines: list[tuple[str, ...]] = [columns]
    with _database(settings, "list") as database:
        lines += [tuple(_cell(getattr(key, name)) for name in columns) for key in _all(database, owner)]
    widths = [max(len(line[i]) for line in lines) for i in range(len(columns))]
    for line in lines:
        cells = (cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        sys.stdout.write("  ".join(cells).rstrip() + "\n")


def revoke(settings: Settings, *, key_id: str) -> None:
    """End a key at once."""
    with _database(settings, "revoke") as database, database.write() as session:
        key = service.revoke(session, key_id)
    _say(f"{key.id} of {key.owner} is revoked")


ACTIONS: dict[str, Callable[..., None]] = {"create": create, "list": show, "revoke": revoke}


def _checked(**values: object) -> KeyRequest:
    try:
        return KeyRequest.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        sys.exit(f"backpropd: --{first['loc'][0]}: {first['msg']}")


@contextmanager
def _database(settings: Settings, action: str) -> Iterator[Database]:
    """The database, made where there is none yet; a problem ends the command with its sentence."""
    _bring_up(settings)
    asked = Asked(method="CLI", route=f"keys {action}", status=0)
    with closing(Database(settings.url)) as database:
        try:
            yield database.told(**{ASKED: asked})
        except Problem as problem:
            sys.exit(f"backpropd: {problem.detail}")


def _bring_up(settings: Settings) -> None:
    """A new database gets its tables; an older one is left to `serve` and `migrate`, beside which jobs may run."""
    settings.data.mkdir(parents=True, exist_ok=True)
    if is_current(settings):
        return
    with closing(Database(settings.url)) as database:
        if current(database) is not None:
            sys.exit("backpropd: the database is of another version: run backpropd migrate first")
    migrate(settings)


def _all(database: Database, owner: str | None) -> Iterator[Key]:
    cursor: str | None = None
    while True:
        with database.read() as session:
            page = service.listed(session, owner=owner, limit=PAGE, cursor=cursor)
        yield from page.items
        if (cursor := page.next_cursor) is None:
            return


def _cell(value: Any) -> str:  # noqa: ANN401 - a field of a key
    return f"{value:%Y-%m-%dT%H:%M:%SZ}" if hasattr(value, "tzinfo") else str(value or "-")


def _say(sentence: str) -> None:
    sys.stderr.write(sentence + "\n")
