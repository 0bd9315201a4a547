"""What the databases say of themselves, as answers: full, busy, away, and never a mistake of ours hidden."""

import sqlite3

import psycopg
import pytest
from psycopg import errors
from sqlalchemy.exc import (
    DataError,
    DBAPIError,
    IntegrityError,
    InternalError,
    OperationalError,
    ProgrammingError,
)

from app.database_problems import problem_of


def status(kind, cause):
    problem = problem_of(kind("SELECT 1", {}, cause))
    return problem and problem.status


@pytest.mark.parametrize(
    ("kind", "cause", "expected"),
    [
        (OperationalError, errors.DiskFull(), 507),
        (OperationalError, errors.TooManyConnections(), 503),
        (OperationalError, errors.OutOfMemory(), 503),
        (OperationalError, errors.DeadlockDetected(), 503),
        (OperationalError, errors.SerializationFailure(), 503),
        (OperationalError, errors.LockNotAvailable(), 503),
        (OperationalError, errors.QueryCanceled(), 503),
        (InternalError, errors.IdleInTransactionSessionTimeout(), 503),
        (OperationalError, errors.AdminShutdown(), 503),
        (OperationalError, errors.CannotConnectNow(), 503),
        (OperationalError, errors.ConnectionFailure(), 503),
        (OperationalError, psycopg.OperationalError("server closed the connection unexpectedly"), 503),
        (DataError, errors.NumericValueOutOfRange(), 422),
        (DataError, psycopg.DataError("PostgreSQL text fields cannot contain NUL (0x00) bytes"), 422),
        (OperationalError, sqlite3.OperationalError("database or disk is full"), 507),
        (OperationalError, sqlite3.OperationalError("disk I/O error"), 507),
        (OperationalError, sqlite3.OperationalError("database is locked"), 503),
        (OperationalError, sqlite3.OperationalError("database table is locked: jobs"), 503),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else None,
)
def test_what_is_nobody_s_mistake_is_a_problem(kind, cause, expected):
    assert status(kind, cause) == expected


@pytest.mark.parametrize(
    ("kind", "cause"),
    [
        (ProgrammingError, errors.UndefinedTable()),
        (ProgrammingError, errors.SyntaxError()),
        (
            ProgrammingError,
            psycopg.ProgrammingError("the query has 1 placeholder but 0 parameters were passed"),
        ),
        (IntegrityError, errors.UniqueViolation()),
        (InternalError, errors.InFailedSqlTransaction()),
        (OperationalError, sqlite3.OperationalError("no such table: jobs")),
        (DBAPIError, ValueError("anything else")),
    ],
)
def test_a_bug_of_ours_is_none(kind, cause):
    assert status(kind, cause) is None
