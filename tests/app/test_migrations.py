"""The migrations make the tables that the code declares, from nothing, once, and wholly or not at all."""

import re
import subprocess
import sys
import threading

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import inspect, text
from sqlalchemy.exc import OperationalError

import app.main  # noqa: F401 - declares every table
from app.database import Base, Database
from app.schema import FOLDER, current, head, is_current, migrate
from app.settings import Settings

pytestmark = pytest.mark.slow  # many real children

MIGRATE = (
    "import sys; from app.schema import migrate; from app.settings import Settings;"
    "migrate(Settings(data=sys.argv[1]))"
)


@pytest.fixture
def settings(tmp_path):
    return Settings(data=tmp_path / "100 %")


@pytest.fixture
def database(settings):
    settings.data.mkdir()
    database = Database(settings.url)
    yield database
    database.close()


def test_an_empty_database_gets_the_declared_tables(settings, database):
    assert (current(database), is_current(settings)) == (None, False)
    migrate(settings)
    assert (current(database), is_current(settings)) == (head(), True)
    with database.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "render_as_batch": True})
        assert compare_metadata(context, Base.metadata) == []


def test_what_autogenerate_does_not_compare_is_equal_too(settings, database, tmp_path):
    """Constraints' names, ON DELETE and WITHOUT ROWID: SQLite's own record of both, column by column."""
    migrate(settings)
    declared = Database(f"sqlite:///{tmp_path / 'declared.db'}")
    Base.metadata.create_all(declared.engine)
    found, wanted = (_schema(of) for of in (database, declared))
    declared.close()
    found.pop("alembic_version")
    assert found == wanted


def _schema(database):
    with database.read() as session:
        rows = session.execute(text("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL")).all()
    return {
        # A table that was copied to be changed has its name in quotes and its defaults in brackets.
        name: sorted(
            re.sub(r"DEFAULT \((.*?)\)", r"DEFAULT \1", line.strip(" \t,")).replace(
                f'TABLE "{name}"', f"TABLE {name}"
            )
            for line in sql.splitlines()
        )
        for name, sql in rows
    }


def test_head_is_what_alembic_takes_for_it():
    assert ScriptDirectory(str(FOLDER)).get_current_head() == head()


def test_several_at_once_migrate_once(settings):
    threads = [threading.Thread(target=_upgrade_in_a_process, args=(settings,)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert is_current(settings)


def _upgrade_in_a_process(settings):
    subprocess.run([sys.executable, "-W", "error", "-c", MIGRATE, str(settings.data)], check=True)


def test_a_migrated_database_starts_without_alembic(settings):
    migrate(settings)
    code = f"{MIGRATE}; assert 'alembic' not in sys.modules"
    subprocess.run([sys.executable, "-c", code, str(settings.data)], check=True)


def test_a_migration_that_fails_leaves_nothing(settings, database):
    with database.write() as session:
        session.execute(text("CREATE TABLE workers (id INTEGER)"))  # in the way of a later step
    with pytest.raises(OperationalError, match="workers"):
        migrate(settings)
    assert inspect(database.engine).get_table_names() == ["workers"]
    assert current(database) is None
