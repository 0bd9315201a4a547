"""docs/accuracy.md, made from the results of the benchmarks of accuracy and of coverage."""

import platform
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from benchmarks.tables.contestants import PEERS
from benchmarks.tables.data import SOURCES
from benchmarks.tables.results import Result
from benchmarks.tables.scores import Standing, fair, means, ranked, standings

OURS = "backpropd"
PAGE = Path(__file__).resolve().parent.parent.parent / "docs" / "accuracy.md"
START, END = "<!-- accuracy: written by benchmarks/accuracy.py -->", "<!-- end of accuracy -->"


def variants(results: Sequence[Result]) -> list[str]:
    """This engine's contestants besides the default one."""
    return sorted({result.contestant for result in results if result.contestant.startswith(f"{OURS},")})


def compared(results: Sequence[Result], variant: str | None = None) -> list[Result]:
    """What the default one and other libraries have finished, and `variant` if there is one."""
    left_out = set(variants(results)) - {variant}
    order = {source.name: place for place, source in enumerate(SOURCES)}
    rest = [result for result in results if result.contestant not in left_out]
    return sorted(fair(rest), key=lambda result: order[result.dataset])


def bars(results: Sequence[Result]) -> list[tuple[str, bool]]:
    """What is promised, and whether it holds."""
    ranks = {name: standing.rank for name, standing in standings(results).items()}
    neural = {name: ranks[name] for name, peer in PEERS.items() if peer.neural and name in ranks}
    boosting = {name: ranks[name] for name, peer in PEERS.items() if not peer.neural and name in ranks}
    told = []
    for what, peers in (("neural peers", neural), ("boosting libraries", boosting)):
        if peers and OURS in ranks:
            best = min(peers, key=peers.__getitem__)
            sentence = (
                f"mean rank {ranks[OURS]:.2f}, that of the best of the {what}, {best}, {peers[best]:.2f}"
            )
            told.append((sentence, ranks[OURS] <= peers[best]))
    return told


def told(results: Sequence[Result]) -> str:
    """The summary for a terminal."""
    lines: list[str] = []
    for figure in ("error", "log_loss"):
        lines.append(f"\n{figure}: {'contestant':<24} rank  normalised  wins  s a fit")
        for name, standing in _by_rank(standings(results, figure)):
            figures = f"{standing.rank:6.2f} {standing.normalised:9.3f} {standing.wins:7.1f} {standing.seconds:8.1f}"
            lines.append(f"  {name:<30} {figures}")
    lines += [f"{'met   ' if met else 'MISSED'} {sentence}" for sentence, met in bars(results)]
    return "\n".join(lines)


def write(results: Sequence[Result], *, versions: Mapping[str, str], threads: int) -> None:
    """Put the tables in their place on the page."""
    lines = list(_part(compared(results), versions, threads))
    for variant in variants(results):
        lines += _variant(compared(results, variant), variant)
    put("\n".join(lines), START, END)


def put(text: str, start: str, end: str) -> None:
    """Replace what stands on the page between two markers."""
    before, _, rest = PAGE.read_text().partition(start)
    _, _, after = rest.partition(end)
    PAGE.write_text(f"{before}{start}\n\n{text}\n\n{end}{after}")


def _part(results: Sequence[Result], versions: Mapping[str, str], threads: int) -> Iterator[str]:
    datasets = len({result.dataset for result in results})
    which = ", ".join(f"{name} {version}" for name, version in versions.items())
    threads_told = f"{threads} thread" + ("s" if threads > 1 else "")
    yield f"{datasets} data sets; {threads_told} on {platform.machine()}; {which}."
    yield "\nErrors (share of wrong answers; root of the mean squared error):\n"
    yield from _summary(standings(results))
    yield "\nLog loss, of the data sets with classes:\n"
    yield from _summary(standings(results, "log_loss"), normalised=False)
    yield ""
    for sentence, met in bars(results):
        yield f"- {'Met' if met else '**Missed**'}: {sentence}."
    yield "\nMean error of each data set; the least is bold:\n"
    yield from _datasets(results)
    yield ""
    yield from _lost(results)


def _variant(results: Sequence[Result], variant: str) -> Iterator[str]:
    """The same with another contestant of this engine, where that has run."""
    yield f"\n{variant}, on the {len({result.dataset for result in results})} data sets that it was tried on:\n"
    yield from _summary(standings(results))
    yield "\nLog loss:\n"
    yield from _summary(standings(results, "log_loss"), normalised=False)
    yield ""
    yield from _datasets(results)


def _summary(rows: Mapping[str, Standing], *, normalised: bool = True) -> Iterator[str]:
    more = " normalised error |" if normalised else ""
    yield f"| | mean rank |{more} wins | seconds a fit |"
    yield f"|---|---:|{'---:|' if normalised else ''}---:|---:|"
    for name, standing in _by_rank(rows):
        figure = f" {standing.normalised:.3f} |" if normalised else ""
        yield f"| {name} | {standing.rank:.2f} |{figure} {standing.wins:.1f} | {standing.seconds:.1f} |"


def _datasets(results: Sequence[Result]) -> Iterator[str]:
    table = means(results, "error")
    names = [name for name, _ in _by_rank(standings(results))]
    facts = {result.dataset: result for result in results}
    yield f"| data set | splits | rows | columns | of categories | missing values | {' | '.join(names)} |"
    yield f"|---|{'---:|' * (5 + len(names))}"
    for name, row in table.items():
        fact, best = facts[name], min(row.values())
        splits = len({result.split for result in results if result.dataset == name})
        cells = [_cell(row.get(who), best) for who in names]
        yield (
            f"| {name} | {splits} | {fact.rows:,} | {fact.columns} | {fact.categories} | {fact.missing:,} "
            f"| {' | '.join(cells)} |"
        )


def _cell(value: float | None, best: float) -> str:
    if value is None:
        return ""
    text = f"{value:,.0f}" if value >= 1000 else f"{value:.4g}"
    return f"**{text}**" if value == best else text


def _lost(results: Sequence[Result]) -> Iterator[str]:
    """Where others were better, and by how much."""
    yield "Where others were better:"
    yield ""
    for name, row in means(results, "error").items():
        if OURS in row and (rank := ranked(row)[OURS]) > 1:
            best = min(row, key=row.__getitem__)
            more = row[OURS] / row[best] - 1 if row[best] else float("inf")
            yield f"- {name}: {_place(rank)} of {len(row)}; its error is {more:.1%} above that of {best}"


def _place(rank: float) -> str:
    return f"place {rank:g}"


def _by_rank(rows: Mapping[str, Standing]) -> list[tuple[str, Standing]]:
    return sorted(rows.items(), key=lambda item: item[1].rank)
