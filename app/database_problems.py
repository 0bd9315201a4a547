"""The database's own words for what is nobody's mistake, as problems: full, busy, away."""

from sqlalchemy.exc import DataError, DBAPIError, OperationalError

from app.problems import Busy, Invalid, Problem, StorageFull

FULL = "the disk is full; nothing was changed"
BUSY = "the database is busy; try again"
AWAY = "the database does not answer; try again"
UNKEEPABLE = "the request holds a text or a number that the database cannot keep, such as a NUL character"

# PostgreSQL's codes (its manual's appendix A), by their first letters; the first that fits counts.
_BY_CODE: dict[str, Problem] = {
    "53100": StorageFull(FULL),
    "53": Busy(BUSY),  # no memory, too many connections
    "40": Busy(BUSY),  # deadlock, serialization failure
    "55P03": Busy(BUSY),  # a lock was not to be had in time
    "57014": Busy(BUSY),  # the statement took too long
    "25P03": Busy(BUSY),  # the transaction stood still for too long
    "57P": Busy(AWAY),  # it shuts down, or starts
    "08": Busy(AWAY),
    "22": Invalid(UNKEEPABLE),
}
_BY_WORDS: dict[str, Problem] = {  # SQLite's
    "disk is full": StorageFull(FULL),
    "disk I/O error": StorageFull(FULL),  # what a limit on a file's size looks like
    "locked": Busy(BUSY),
}


def problem_of(error: DBAPIError) -> Problem | None:
    """What to answer to this error; None where it is a bug of ours."""
    code = getattr(error.orig, "sqlstate", None)
    if code is not None:
        return next((problem for start, problem in _BY_CODE.items() if code.startswith(start)), None)
    for words, problem in _BY_WORDS.items():
        if words in str(error.orig):
            return problem
    return _without_code(error) if type(error.orig).__module__.startswith("psycopg") else None


def _without_code(error: DBAPIError) -> Problem | None:
    """What psycopg itself found: a value that cannot be sent, or no connection (any more)."""
    if isinstance(error, DataError):
        return Invalid(UNKEEPABLE)
    return Busy(AWAY) if isinstance(error, OperationalError) else None
