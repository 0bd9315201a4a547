"""The database: one engine and two kinds of session, with the same promises on SQLite and PostgreSQL.

What a writer has read stays true until it commits, so that it may decide on it. SQLite: writers begin immediately
and so queue up at the start instead of failing at the end. PostgreSQL: each row that a writer reads whole is locked,
and `hold` locks what is not a row. A reader sees one moment. A request commits once, before its response is sent.
"""

import random
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from copy import copy
from datetime import UTC, datetime

from sqlalchemy import Connection, DateTime, Dialect, Engine, MetaData, Select, create_engine, event, text
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import DeclarativeBase, ORMExecuteState, Session
from sqlalchemy.pool import ConnectionPoolEntry
from sqlalchemy.types import TypeDecorator

from app.data_version import DataVersion

BUSY_SECONDS = 10  # that a transaction waits for another's lock
TURN_SECONDS = (0.001, 0.005)  # between two tries to become SQLite's writer
STATEMENT_SECONDS = 60  # that PostgreSQL works on one statement
IDLE_SECONDS = 60  # that a transaction may hold PostgreSQL's locks without a statement
WRITERS = 0x6270640001  # the number of the advisory lock that all writers share, and `frozen` has alone


class UtcDateTime(TypeDecorator[datetime]):
    """A time in UTC: aware in Python, without a zone in the database."""

    impl = DateTime
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Drop the zone, after going to UTC."""
        return value and value.astimezone(UTC).replace(tzinfo=None)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Put the zone back."""
        return value and value.replace(tzinfo=UTC)


class Base(DeclarativeBase):
    """Base of all tables; constraints have names from the first migration on."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(column_0_label)s",
            "uq": "uq_%(table_name)s_%(column_0_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
        }
    )


def now() -> datetime:
    """The time, in UTC."""
    return datetime.now(UTC)


def journal_mode(version: tuple[int, int, int]) -> str:
    """WAL where SQLite's WAL-reset race is fixed, else PERSIST.

    Fixed in 3.51.3 and, backported, in 3.50.7 and 3.44.6 (https://sqlite.org/wal.html#walresetbug).
    """
    fixed = version >= (3, 51, 3) or (3, 50, 7) <= version < (3, 51, 0) or (3, 44, 6) <= version < (3, 45, 0)
    return "WAL" if fixed else "PERSIST"


class Writer(Session):
    """A session whose reads lock what they find, where the database itself does not lock out other writers."""


@event.listens_for(Writer, "do_orm_execute")
def _lock_what_is_read(state: ORMExecuteState) -> None:
    """Whole rows alone: counts and columns cannot be locked, see `hold`. SQLite knows no such lock and needs none."""
    statement = state.statement
    if not isinstance(statement, Select) or statement._for_update_arg is not None:
        return
    selected = statement.column_descriptions
    if len(selected) == 1 and selected[0]["expr"] is selected[0].get("entity"):  # some, as EXISTS, have none
        # key_share: rows that only refer to this one may come meanwhile.
        state.statement = statement.with_for_update(of=selected[0]["entity"], key_share=True)


class Database:
    """The engine, and sessions over it."""

    def __init__(self, url: str) -> None:
        if url.startswith("sqlite"):
            self.engine = create_engine(url)
            event.listen(self.engine, "connect", _set_up_sqlite)
            event.listen(self.engine, "begin", _begin_sqlite)
            self._reader = self.engine
        else:
            self.engine = _postgresql(url)
            event.listen(self.engine, "begin", _begin_postgresql)
            self._reader = self.engine.execution_options(
                isolation_level="REPEATABLE READ", postgresql_readonly=True
            )
        self.version = DataVersion(url)
        self._writer = self.engine.execution_options(writer=True)
        self._info: dict[str, object] = {}

    def told(self, **info: object) -> "Database":
        """The same database, whose sessions of readers and writers know this of whom they serve (`Session.info`)."""
        told = copy(self)
        told._info = self._info | info
        return told

    def check(self) -> None:
        """Raise `SQLAlchemyError` unless it answers and has our tables."""
        with self.read() as session:
            session.execute(text("SELECT version_num FROM alembic_version"))

    @contextmanager
    def read(self) -> Iterator[Session]:
        """A session that changes nothing and sees one moment."""
        try:
            with Session(self._reader, autoflush=False, info=self._info) as session:
                yield session
        finally:
            self.version.doubted()

    @contextmanager
    def write(self) -> Iterator[Session]:
        """A session that commits when the block ends, and rolls back when it raises."""
        with Writer(self._writer, expire_on_commit=False, info=self._info) as session, session.begin():
            yield session
        self.version.committed()

    @contextmanager
    def frozen(self) -> Iterator[Session]:
        """A session that is the only writer while the block lasts: nobody's change is half done. Keep it short."""
        with Session(self.engine.execution_options(writer="alone")) as session, session.begin():
            session.connection()  # begins
            yield session

    def close(self) -> None:
        """Close every connection."""
        self.version.close()
        self.engine.dispose()


def hold(session: Session, name: str) -> None:
    """Until the writer's transaction ends, keep out every other one that holds the same name.

    For decisions on what cannot be locked: a count, or that a row is not there. On SQLite a writer is alone anyway.
    """
    if session.get_bind().dialect.name == "postgresql":
        session.execute(text("SELECT pg_advisory_xact_lock(hashtextextended(:name, 0))"), {"name": name})


def _set_up_sqlite(connection: DBAPIConnection, _record: ConnectionPoolEntry) -> None:
    assert isinstance(connection, sqlite3.Connection)
    connection.isolation_level = None  # the driver must not begin transactions by itself
    cursor = connection.cursor()
    cursor.execute(f"PRAGMA busy_timeout={BUSY_SECONDS * 1000}")
    cursor.execute(f"PRAGMA journal_mode={journal_mode(sqlite3.sqlite_version_info)}")
    cursor.execute("PRAGMA synchronous=FULL")
    cursor.execute("PRAGMA foreign_keys=ON")
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    if not connection.get_execution_options().get("writer", False):
        connection.exec_driver_sql("BEGIN")
        return
    # SQLite itself would ask again after ever longer pauses, so that among many writers the one that has waited
    # for longest hardly ever gets its turn. Here all ask equally often.
    connection.exec_driver_sql("PRAGMA busy_timeout=0")
    try:
        _wait_for_turn(connection)
    finally:
        connection.exec_driver_sql(f"PRAGMA busy_timeout={BUSY_SECONDS * 1000}")


def _wait_for_turn(connection: Connection) -> None:
    deadline = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            connection.exec_driver_sql("BEGIN IMMEDIATE")
        except OperationalError as error:
            if "locked" not in str(error.orig) or time.monotonic() > deadline:
                raise
            time.sleep(random.uniform(*TURN_SECONDS))  # noqa: S311 - no secret; it keeps two from asking in step
        else:
            return


def _postgresql(url: str) -> Engine:
    limits = {
        "lock_timeout": BUSY_SECONDS,
        "statement_timeout": STATEMENT_SECONDS,
        "idle_in_transaction_session_timeout": IDLE_SECONDS,
    }
    options = " ".join(f"-c {name}={seconds}s" for name, seconds in limits.items())
    return create_engine(
        "postgresql+psycopg://" + url.partition("://")[2],
        pool_pre_ping=True,  # the server may have been restarted since the connection was last used
        connect_args={"connect_timeout": BUSY_SECONDS, "options": options},
    )


def _begin_postgresql(connection: Connection) -> None:
    match connection.get_execution_options().get("writer"):
        case True:
            connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock_shared({WRITERS})")
        case "alone":
            connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({WRITERS})")
