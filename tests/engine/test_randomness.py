import numpy as np

from engine.randomness import Randomness


def draws(randomness: Randomness) -> list[np.ndarray]:
    generators = [
        randomness.init,
        randomness.split,
        randomness.dropout,
        randomness.shuffle(1),
        randomness.shuffle(2),
    ]
    return [generator.random(8) for generator in generators]


def test_same_seed_same_numbers():
    assert np.array_equal(draws(Randomness(5)), draws(Randomness(5)))
    assert np.array_equal(draws(Randomness(2**63 - 1)), draws(Randomness(2**63 - 1)))


def test_streams_and_seeds_differ():
    numbers = np.concatenate(draws(Randomness(5)) + draws(Randomness(6)))
    assert len(np.unique(numbers)) == len(numbers)


def test_the_order_of_an_epoch_depends_on_nothing_before_it():
    randomness = Randomness(5)
    draws(randomness)
    assert np.array_equal(randomness.shuffle(7).permutation(50), Randomness(5).shuffle(7).permutation(50))
