"""The cache of loaded models."""

import threading

from app.cache import Cache


def test_a_value_is_made_once_while_it_is_kept() -> None:
    made = []
    cache: Cache[str] = Cache(10)
    for _ in range(3):
        assert cache.get("a", lambda: made.append("a") or ("value", 1)) == "value"
    assert made == ["a"]


def test_the_least_recently_used_goes_first() -> None:
    cache: Cache[int] = Cache(10)
    cache.get("a", lambda: (1, 5))
    cache.get("b", lambda: (1, 5))
    cache.get("a", lambda: (2, 5))  # used again
    cache.get("c", lambda: (1, 5))  # b has to go
    assert cache.get("a", lambda: (3, 5)) == 1
    assert cache.get("b", lambda: (4, 5)) == 4


def test_a_value_larger_than_the_capacity_is_not_kept_and_costs_the_others_nothing() -> None:
    cache: Cache[int] = Cache(10)
    cache.get("small", lambda: (1, 5))
    assert cache.get("large", lambda: (1, 11)) == 1
    assert cache.get("large", lambda: (2, 11)) == 2
    assert cache.get("small", lambda: (2, 5)) == 1


def test_a_dropped_value_is_made_anew() -> None:
    cache: Cache[int] = Cache(10)
    cache.get("a", lambda: (1, 10))
    cache.drop("a")
    cache.drop("a")
    assert cache.get("a", lambda: (2, 10)) == 2
    assert cache.get("a", lambda: (3, 10)) == 2  # its bytes were given back


def test_many_threads() -> None:
    cache: Cache[int] = Cache(20)

    def work(number: int) -> None:
        for i in range(500):
            key = (number + i) % 7
            assert cache.get(str(key), lambda key=key: (key, 5)) == key
            if i % 50 == 0:
                cache.drop(str(key))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    made = [key for key in range(7) if cache.get(str(key), lambda: (-1, 100)) == -1]
    assert len(made) >= 3  # at most four of five bytes each fit into twenty
