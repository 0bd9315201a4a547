"""Work of which only so much may go on at once: one's turn is waited for, but not for long."""

from collections.abc import Callable
from typing import TypeVar

from anyio import CapacityLimiter, move_on_after, to_thread

from app.problems import Busy

WAIT_SECONDS = 10.0

Answer = TypeVar("Answer")


async def in_turn(
    limiter: CapacityLimiter, work: Callable[[], Answer], *, wait: float = WAIT_SECONDS
) -> Answer:
    """What `work` gives, in a thread, once `limiter` has room; raises `Busy` after `wait` seconds without."""
    mine = object()
    with move_on_after(wait) as waiting:
        await limiter.acquire_on_behalf_of(mine)
    if waiting.cancelled_caught:
        raise Busy("too many requests like this one are being worked on; try again")
    try:
        return await to_thread.run_sync(work)
    finally:
        limiter.release_on_behalf_of(mine)
