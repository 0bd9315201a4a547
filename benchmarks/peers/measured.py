"""One peer on one case in a process of its own: python measured.py MODULE CASE [ROWS]

Each line of standard input, a number of seconds, is answered with the samples per second of a run that
long. ROWS: predict so many rows at a time instead of training. Between runs the process only waits, so that
its threads take nothing from another's run.
"""

import sys
import time
from collections.abc import Callable
from importlib import import_module

from cases import CASES


def main() -> None:
    module, name, *rows = sys.argv[1:]
    peer, case = import_module(module), CASES[name]
    if rows:
        count = int(rows[0])
        x = case.data()[0][:count].copy()
        predict = peer.predictor(case, x)

        def work() -> int:
            predict()
            return count
    else:
        epochs = peer.trainer(case)

        def work() -> int:
            return next(epochs)

    work()  # compiles, allocates, warms up
    print("ready", flush=True)
    for line in sys.stdin:
        print(pace(work, float(line)), flush=True)


def pace(work: Callable[[], int], seconds: float) -> float:
    """Samples a second of whole calls of `work`, for at least `seconds`."""
    samples, start = 0, time.perf_counter()
    while (elapsed := time.perf_counter() - start) < seconds:
        samples += work()
    return samples / elapsed


if __name__ == "__main__":
    main()
