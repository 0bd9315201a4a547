"""The schema of the database: which revision it has, which one this version needs, and how it gets there."""

import fcntl
from pathlib import Path

from sqlalchemy import inspect, text
from sqlalchemy.exc import OperationalError

import migrations
from app.database import Database
from app.settings import Settings

FOLDER = Path(migrations.__file__).parent


class UnknownRevision(Exception):
    """A revision that this version has no migration for."""


class DatabaseAway(Exception):
    """No connection to the database."""


def _revisions() -> set[str]:
    return {path.stem for path in (FOLDER / "versions").glob("[0-9]*.py")}


def head() -> str:
    """The revision that this version needs: the last file in migrations/versions."""
    return max(_revisions())


def current(database: Database) -> str | None:
    """The revision that the database has; None before the first migration."""
    with database.engine.connect() as connection:
        if not inspect(connection).has_table("alembic_version"):
            return None
        revision: str | None = connection.scalar(text("SELECT version_num FROM alembic_version"))
        return revision


def is_current(settings: Settings) -> bool:
    """Whether the database is at `head`; raises `DatabaseAway`."""
    database = Database(settings.url)
    try:
        return current(database) == head()
    except OperationalError as error:
        raise DatabaseAway(f"the database does not answer: {error.orig}") from error
    finally:
        database.close()


def migrate(settings: Settings) -> None:
    """Bring the database to `head`; whoever else wants to do so meanwhile waits. Raises `DatabaseAway`."""
    settings.data.mkdir(parents=True, exist_ok=True)
    with (settings.data / "migrate.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not is_current(settings):
            upgrade(settings.url, head())


def upgrade(url: str, revision: str) -> None:
    """Bring a database up to a revision; raises `UnknownRevision`."""
    if revision not in _revisions():
        raise UnknownRevision(revision)
    # Here, since importing alembic takes a third of a second, which most starts need not spend.
    from alembic import command  # noqa: PLC0415 - see above
    from alembic.config import Config  # noqa: PLC0415 - see above

    config = Config(attributes={"url": url})
    config.set_main_option("script_location", str(FOLDER).replace("%", "%%"))
    command.upgrade(config, revision)
