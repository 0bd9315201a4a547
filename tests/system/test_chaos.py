"""A short run of the kill harness; `make chaos N=200` is the long one."""

import pytest
from chaos import FAILPOINTS, Kill, chaos

pytestmark = pytest.mark.slow

TRIALS = {
    "dropout, early stopping, plateau": [
        [Kill("process", 0.6), Kill("worker", 0.3)],
        [Kill("after-claim"), Kill("before-success")],
        [Kill("before-run"), Kill("after-end")],
    ],
    "convolution and augmentation": [
        [Kill("before-record", 0.2), Kill("after-publish", 0.1)],
        [Kill("before-register", 0.2), Kill("before-model", 0.1)],
    ],
    "l-bfgs": [
        [Kill("after-checkpoint-rename", 0.3), Kill("after-model", 0.1)],
        [Kill("api", 0.5), Kill("everything", 0.5)],
    ],
    "mixup, accumulation, average": [
        [Kill("before-checkpoint", 0.3), Kill("before-crash", 0.5)],
        [Kill("after-register", 0.3), Kill("before-publish", 0.1)],
    ],
    "pretraining": [
        [Kill("after-record", 0.3), Kill("process", 0.2)],
        [Kill("before-give-back", 0.4)],
    ],
}


def test_whoever_is_killed_the_outcome_is_the_same(tmp_path):
    with chaos(tmp_path) as running:
        for name, trials in TRIALS.items():
            for kills in trials:
                running.trial(name, kills)
    tally = running.tally
    assert tally.failures == []
    assert tally.equal == dict.fromkeys(("weights", "history", "events"), tally.trials)
    assert {*FAILPOINTS, "process", "worker", "api", "everything"} == {*tally.kills, *tally.missed}
    assert tally.kills.total() >= 18, tally.missed  # whose point came before the end
    assert tally.live >= 12
