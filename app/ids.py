"""Ids: a prefix that says what it is, and a UUIDv7, which sorts by time."""

from typing import Literal

import uuid_utils

Prefix = Literal[
    "ds", "net", "job", "mdl", "wrk", "req", "key", "ses", "aud", "bak", "alm", "bat", "whk", "msg"
]


def new_id(prefix: Prefix) -> str:
    """A new id, greater than all earlier ones of its kind."""
    return f"{prefix}_{uuid_utils.uuid7().hex}"
