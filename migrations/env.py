"""What alembic runs to change the tables.

All steps are one transaction. On SQLite foreign keys are off, since a table that is changed is copied and dropped,
and they are checked before the commit. On PostgreSQL whoever else wants to migrate waits for the commit.
"""

import os
from contextlib import closing
from typing import Literal

from alembic import context
from alembic.autogenerate.api import AutogenContext
from sqlalchemy import Connection

import app.audit.store
import app.auth.store
import app.chores
import app.datasets.store
import app.events.store
import app.idempotency
import app.jobs.store
import app.models.store
import app.networks.store  # noqa: F401 - all of them for the tables that they declare
from app.database import Base, Database, UtcDateTime
from app.settings import Settings


def run() -> None:
    """Bring the database that the configuration or the environment names to the wanted revision."""
    url = context.config.attributes.get("url") or Settings.load(os.environ).url
    with (
        closing(Database(url)) as database,
        database.engine.connect().execution_options(writer=True) as connection,
    ):
        _turn_off_foreign_keys(connection)
        context.configure(
            connection=connection,
            target_metadata=Base.metadata,
            render_as_batch=True,
            render_item=_render_item,
            transactional_ddl=True,  # true of SQLite as this service drives it, though alembic doubts it
        )
        with context.begin_transaction():
            _take_turns(connection)
            context.run_migrations()
            _check_foreign_keys(connection)


def _take_turns(connection: Connection) -> None:
    """Only after this is the revision read, so the second finds nothing to do. A table's copy may take its time."""
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql("SET LOCAL lock_timeout = 0")
        connection.exec_driver_sql("SET LOCAL statement_timeout = 0")
        connection.exec_driver_sql("SELECT pg_advisory_xact_lock(hashtextextended('migrations', 0))")


def _render_item(kind: str, item: object, _context: AutogenContext) -> str | Literal[False]:
    """A migration names what the database has, not the class of ours that it may have lost by then."""
    return "sa.DateTime()" if kind == "type" and isinstance(item, UtcDateTime) else False


def _turn_off_foreign_keys(connection: Connection) -> None:
    """For this connection; past SQLAlchemy, since the pragma does nothing within a transaction."""
    if connection.dialect.name == "sqlite":
        connection.connection.cursor().execute("PRAGMA foreign_keys=OFF")


def _check_foreign_keys(connection: Connection) -> None:
    if connection.dialect.name == "sqlite":
        broken = connection.exec_driver_sql("PRAGMA foreign_key_check").all()
        if broken:
            raise RuntimeError(f"rows that refer to nothing after the migration: {broken[:10]}")


run()
