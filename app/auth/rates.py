"""Rates: how often a key may ask in a minute, and how often an address may fail to get in.

Counted in memory by each process of the API, over a window that moves with the time.
"""

import time
from collections.abc import Mapping
from importlib import import_module
from ipaddress import IPv6Address, ip_address
from math import ceil

from app.access import Counted
from app.problems import TooMany

WINDOW_SECONDS = 60
FAILURES = 20  # a minute, of one address


class Rates:
    """The counters of one process."""

    def __init__(self, per_minute: Mapping[Counted, int]) -> None:
        """`per_minute`: how many requests of each sort a key may send; 0: any number."""
        # Here, since it takes as long to import as a tenth of the start, and without keys nothing is counted.
        limits = import_module("limits")
        self._windows = limits.strategies.MovingWindowRateLimiter(limits.storage.MemoryStorage())
        self._limits = {
            sort: limits.RateLimitItemPerMinute(most, namespace=sort)
            for sort, most in per_minute.items()
            if most
        }
        self._failures = limits.RateLimitItemPerMinute(FAILURES, namespace="failures")

    def count(self, sort: Counted, key_id: str) -> dict[str, str]:
        """Count a request of a key; headers that say what is left. Raises `TooMany`."""
        limit = self._limits.get(sort)
        if limit is None:
            return {}
        counted = self._windows.hit(limit, key_id)
        reset, left = self._windows.get_window_stats(limit, key_id)
        seconds = min(max(ceil(reset - time.time()), 1), WINDOW_SECONDS)
        headers = {
            "RateLimit-Policy": f'"{sort}";q={limit.amount};w={WINDOW_SECONDS}',
            "RateLimit": f'"{sort}";r={left};t={seconds}',
        }
        if not counted:
            raise TooMany(
                f"this key may send {limit.amount} {sort} a minute; try again in {seconds} s",
                code="rate_limited",
                headers={**headers, "Retry-After": str(seconds)},
            )
        return headers

    def count_failure(self, address: str) -> None:
        """Count credentials that were refused; raises `TooMany`."""
        if not self._windows.hit(self._failures, _network(address)):
            raise TooMany(
                f"there were {FAILURES} wrong keys within a minute from this address; try again later",
                code="rate_limited",
                headers={"Retry-After": str(WINDOW_SECONDS)},
            )


def _network(address: str) -> str:
    """What one client has at its hands: an address, or 2^64 of them in IPv6."""
    try:
        ip = ip_address(address)
    except ValueError:
        return address
    return str(int(ip) >> 64) if isinstance(ip, IPv6Address) and ip.ipv4_mapped is None else address
