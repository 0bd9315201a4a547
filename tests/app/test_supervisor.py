"""How workers are kept running."""

import pytest

from app.supervisor import FIRST_DELAY, HEALTHY_SECONDS, LONGEST_DELAY, Backoff


def test_the_wait_doubles_up_to_a_bound():
    backoff = Backoff()
    assert [backoff.after(0.1) for _ in range(8)] == [1, 2, 4, 8, 16, 30, 30, 30]


def test_a_worker_that_lived_resets_it():
    backoff = Backoff()
    for _ in range(10):
        backoff.after(0.0)
    assert backoff.after(HEALTHY_SECONDS - 1) == LONGEST_DELAY
    assert backoff.after(HEALTHY_SECONDS) == FIRST_DELAY
    assert backoff.after(0.0) == pytest.approx(2 * FIRST_DELAY)
