"""How fast the engine trains and predicts, beside PyTorch, JAX, scikit-learn, Keras and onnxruntime.

    python benchmarks/engine.py [--strict] [--only TEXT] [--seconds S] [--runs N]

Peers that are not installed are left out: pip install torch jax keras onnx onnxruntime scikit-learn. So is this
engine with compiled kernels, [fast], which has bars of its own: pip install numba.
Each peer runs in a process of its own, with 1 thread and with 2; the processes take turns, a round at a time,
and the medians are compared, for each side at the number of threads that suits it better. A ratio is this
engine's samples per second over the peer's. With --strict a missed bar ends with exit code 1.
"""

import argparse
import os
import statistics
import subprocess
import sys
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
PEERS = ROOT / "benchmarks" / "peers"
sys.path.insert(0, str(PEERS))

from cases import CASES  # noqa: E402 - the folder of the peers is on the path only now


class Peer(NamedTuple):
    module: str
    needs: str  # the package that it is about
    backend: str = ""


OURS, FAST = "backpropd", "backpropd [fast]"
SIDES = {
    OURS: [Peer("backpropd", "numpy", "numpy")],
    FAST: [Peer("backpropd", "numba", "numba")],
    "PyTorch": [Peer("pytorch", "torch")],
    "JAX": [Peer("jax_scan", "jax")],
    "scikit-learn": [Peer("scikit_learn", "sklearn")],
    "Keras": [Peer("keras_fit", "torch", "torch"), Peer("keras_fit", "jax", "jax")],
    "onnxruntime": [Peer("onnx_runtime", "onnxruntime")],
}


class Question(NamedTuple):
    title: str
    case: str
    bars: dict[str, float]  # side -> the smallest ratio
    fast: dict[str, float]  # those that are higher with compiled kernels
    rows: int | None = None  # of a prediction; None: training


def questions() -> Iterator[Question]:
    a, b, c, d, lenet, cifar, lstm = CASES
    yield Question(a, a, {"PyTorch": 7, "JAX": 0.8, "scikit-learn": 4, "Keras": 5}, {"JAX": 1.1})
    yield Question(
        b, b, {"PyTorch": 1.1, "JAX": 0.8, "scikit-learn": 1.5, "Keras": 1.2}, {"PyTorch": 1.4, "JAX": 1.05}
    )
    yield Question(c, c, {"PyTorch": 0.95, "JAX": 0.8, "scikit-learn": 1.9, "Keras": 0.9}, {"PyTorch": 1.05})
    yield Question(d, d, {"PyTorch": 2.8, "JAX": 1.3, "scikit-learn": 4, "Keras": 2}, {"PyTorch": 3.5})
    yield Question(lenet, lenet, {"PyTorch": 0.75, "JAX": 1.3}, {"PyTorch": 1.0})
    yield Question(cifar, cifar, {"PyTorch": 0.75, "JAX": 1.2}, {})
    yield Question(lstm, lstm, {"PyTorch": 0.95}, {})
    yield Question(f"{b}, predict 1 row", b, {"PyTorch": 2.5, "onnxruntime": 1.0}, {}, rows=1)
    yield Question(f"{b}, predict 256 rows", b, {"PyTorch": 0.95, "onnxruntime": 0.85}, {}, rows=256)


class Runner:
    """A peer's process."""

    def __init__(self, peer: Peer, threads: int, question: Question) -> None:
        environment = {
            key: value for key, value in os.environ.items() if not key.startswith("OPENBLAS_")
        }  # a core type that is set for older libraries would slow down this one
        for variable in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
            environment[variable] = str(threads)
        environment |= {"KERAS_BACKEND": peer.backend, "BACKPROPD_KERNELS": peer.backend}
        environment |= {"PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "3"}
        rows = [] if question.rows is None else [str(question.rows)]
        self.threads = threads
        self.paces: list[float] = []
        self._process = subprocess.Popen(
            [sys.executable, str(PEERS / "measured.py"), peer.module, question.case, *rows],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        if self._answer() != "ready":
            raise RuntimeError(f"{peer.module} did not get ready")

    def _answer(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()

    def run(self, seconds: float) -> None:
        assert self._process.stdin is not None
        print(seconds, file=self._process.stdin, flush=True)
        self.paces.append(float(self._answer()))

    def close(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()

    @property
    def median(self) -> float:
        return statistics.median(self.paces)

    @property
    def spread(self) -> float:
        """Half the range of the runs, as a share of the median."""
        return (max(self.paces) - min(self.paces)) / 2 / self.median


def measure(question: Question, *, runs: int, seconds: float) -> bool:
    """Print a row of the table for each side; returns whether all bars are met."""
    runners = {
        side: [
            Runner(peer, threads, question)
            for peer in SIDES[side]
            if find_spec(peer.needs)
            for threads in (1, 2)
        ]
        for side in (OURS, FAST, *question.bars)
    }
    for _ in range(runs):
        for group in runners.values():
            for runner in group:
                runner.run(seconds)
    for group in runners.values():
        for runner in group:
            runner.close()
    best = {side: max(group, key=lambda runner: runner.median) for side, group in runners.items() if group}
    met = [
        compare(f"{question.title}, {name}", best[name], best, bars)
        for name, bars in ((OURS, question.bars), (FAST, question.bars | question.fast))
        if name in best
    ]
    return all(met)


def compare(title: str, ours: Runner, best: dict[str, Runner], bars: dict[str, float]) -> bool:
    """Print how `ours` does beside the best of each side; returns whether all bars are met."""
    print(f"\n{title}: {line(ours)}")
    met = True
    for side, bar in bars.items():
        if side not in best:
            print(f"  {side:13} not installed")
            continue
        ratio = ours.median / best[side].median
        met = met and ratio >= bar
        print(
            f"  {side:13} x {ratio:5.2f}  (bar {bar}: {'met' if ratio >= bar else 'MISSED'})  {line(best[side])}"
        )
    return met


def line(runner: Runner) -> str:
    threads = "1 thread" if runner.threads == 1 else f"{runner.threads} threads"
    return f"{runner.median:12,.0f} samples/s +-{runner.spread:4.0%}, {threads}"


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--strict", action="store_true")
    parser.add_argument("--only", default="", help="only the cases whose title holds this")
    parser.add_argument("--seconds", type=float, default=1.0, help="of one run")
    parser.add_argument("--runs", type=int, default=7)
    options = parser.parse_args(arguments)
    print(f"load {os.getloadavg()[0]:.2f}, {os.cpu_count()} cores")
    met = [
        measure(question, runs=options.runs, seconds=options.seconds)
        for question in questions()
        if options.only in question.title
    ]
    print(f"\nload {os.getloadavg()[0]:.2f}; {sum(met)} of {len(met)} rows meet all their bars")
    return 1 if options.strict and not all(met) else 0


if __name__ == "__main__":
    sys.exit(main())
