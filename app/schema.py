"""The schema of the database: which revision it has, which one this version needs, and how it gets there."""

import fcntl
from pathlib import Path

from sqlalchemy import inspect, text

import migrations
from app.database import Database
from app.settings import Settings

FOLDER = Path(migrations.__file__).parent


def head() -> str:
    """The revision that this version needs: the last file in migrations/versions."""
    return max(path.stem for path in (FOLDER / "versions").glob("[0-9]*.py"))


def current(database: Database) -> str | None:
    """The revision that the database has; None before the first migration."""
    with database.engine.connect() as connection:
        if not inspect(connection).has_table("alembic_version"):
            return None
        revision: str | None = connection.scalar(text("SELECT version_num FROM alembic_version"))
        return revision


def is_current(settings: Settings) -> bool:
    """Whether the database is at `head`."""
    database = Database(settings.url)
    try:
        return current(database) == head()
    finally:
        database.close()


def migrate(settings: Settings) -> None:
    """Bring the database to `head`; whoever else wants to do so meanwhile waits."""
    settings.data.mkdir(parents=True, exist_ok=True)
    with (settings.data / "migrate.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not is_current(settings):
            _upgrade(settings.url)


def _upgrade(url: str) -> None:
    # Here, since importing alembic takes a third of a second, which most starts need not spend.
    from alembic import command  # noqa: PLC0415 - see above
    from alembic.config import Config  # noqa: PLC0415 - see above

    config = Config(attributes={"url": url})
    config.set_main_option("script_location", str(FOLDER).replace("%", "%%"))
    command.upgrade(config, "head")
