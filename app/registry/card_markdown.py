"""A model card as Markdown. Whatever people have named is text in it, never markup."""

import json
import re
from collections.abc import Iterable, Iterator, Sequence

from app.registry.card_schemas import Card, CardData, CardEvaluation, CardTraining
from engine.encoding import Feature
from engine.trust.slices import Slice

MOST_CATEGORIES = 10  # of a column that are named
MOST_FEATURES = 200
MOST_CLASSES = 12  # of a confusion matrix that is shown


def markdown(card: Card) -> str:
    """The card for people to read."""
    return "\n".join(_lines(card)) + "\n"


def _lines(card: Card) -> Iterator[str]:
    model = card.model
    yield f"# {_text(model.name)}, version {model.version}"
    yield ""
    yield f"Predicts {_text(card.predicts)}."
    yield ""
    facts = [f"`{model.id}`", f"made {model.created_at:%Y-%m-%d %H:%M} UTC"]
    if card.aliases:
        facts.append(
            "also known as " + ", ".join(f"{_text(model.name)}@{_text(alias)}" for alias in card.aliases)
        )
    if model.tags:
        facts.append("tags: " + ", ".join(map(_text, model.tags)))
    yield "; ".join(facts) + "."
    if model.notes:
        yield from ("", "## Notes", "", *(_note(line) for line in model.notes.splitlines()))
    yield from _section("How to use it", _use(card))
    yield from _section("How good it is", _evaluation(card.evaluation, card.worst_slices))
    yield from _section("Limits", (f"- {_text(sentence)}" for sentence in card.limits))
    yield from _section("What it reads", _features(card.features))
    yield from _section("What it learned from", _data(card.data))
    yield from _section("How it was trained", _training(card.training))
    yield from _section("Where it was trained", _environment(card))


def _section(title: str, lines: Iterable[str]) -> Iterator[str]:
    yield from ("", f"## {title}", "")
    yield from lines


def _use(card: Card) -> Iterator[str]:
    body = json.dumps(card.use.body, ensure_ascii=False).replace("'", "'\\''")
    yield "```sh"
    yield f"curl -X {card.use.method} \"$URL{card.use.path}\" -H 'Content-Type: application/json' \\"
    yield f"  -d '{_fenced(body)}'"
    yield "```"
    yield ""
    yield '`$URL` is the address of the service; with keys, add `-H "Authorization: Bearer $KEY"`.'


def _evaluation(evaluation: CardEvaluation | None, worst: Sequence[Slice]) -> Iterator[str]:
    if evaluation is None:
        yield "That was not seen: no rows were kept to try it on."
        return
    rows = f"{evaluation.rows:,} {evaluation.of.replace('_', '-')} rows"
    columns = [rows] if evaluation.test is None else [rows, f"{evaluation.test_rows:,} test rows"]
    yield from _table(
        ["figure", *columns],
        (
            [
                _words(name),
                _number(value),
                *([] if evaluation.test is None else [_number(evaluation.test.get(name))]),
            ]
            for name, value in evaluation.figures.items()
        ),
    )
    if evaluation.baselines:
        yield from ("", "Beside simpler models:", "")
        names = list(evaluation.baselines[0].scores)
        yield from _table(
            ["model", *map(_words, names)],
            (
                [each.kind, *(_number(each.scores.get(name)) for name in names)]
                for each in evaluation.baselines
            ),
        )
        yield ""
        yield from (f"- {_text(sentence)}" for sentence in evaluation.summary)
    if evaluation.confusion and len(evaluation.confusion) <= MOST_CLASSES and evaluation.confusion_labels:
        yield from ("", "Rows by their true class (down) and the predicted one (across):", "")
        labels = [_text(str(label)) for label in evaluation.confusion_labels]
        yield from _table(
            ["", *labels],
            ([label, *map(str, row)] for label, row in zip(labels, evaluation.confusion, strict=True)),
        )
    if worst:
        yield from ("", "Clearly worse than elsewhere on these parts of the rows:", "")
        names = list(worst[0].scores)
        yield from _table(
            ["rows with", "how many", *map(_words, names)],
            (
                [_slice(part), str(part.rows), *(_number(part.scores.get(name)) for name in names)]
                for part in worst
            ),
        )


def _slice(part: Slice) -> str:
    name = _text(part.feature)
    if part.low is not None and part.high is not None:
        return f"{_number(part.low)} ≤ {name} < {_number(part.high)}"
    if part.low is not None:
        return f"{name} ≥ {_number(part.low)}"
    if part.high is not None:
        return f"{name} < {_number(part.high)}"
    return f"{name} missing" if part.value is None else f"{name} = {_text(str(part.value))}"


def _features(features: Sequence[Feature]) -> Iterator[str]:
    yield from _table(["column", "type", "known values"], map(_feature, features[:MOST_FEATURES]))
    if len(features) > MOST_FEATURES:
        yield f"\n... and {len(features) - MOST_FEATURES:,} more."


def _feature(feature: Feature) -> list[str]:
    if feature.shape is not None:
        values = " x ".join(map(str, feature.shape))
    elif feature.categories is None:
        values = ""
    else:
        more = len(feature.categories) - MOST_CATEGORIES
        values = ", ".join(map(_text, feature.categories[:MOST_CATEGORIES])) + (
            f" and {more:,} more" if more > 0 else ""
        )
    return [_text(feature.name), feature.type, values]


def _data(data: CardData | None) -> Iterator[str]:
    if data is None:
        yield "That is not known here: it was imported."
        return
    gone = "" if data.dataset_id else ", which was deleted"
    yield f"- Data set: {_text(data.name)}{gone}"
    yield f"- SHA-256 of its bytes: `{data.sha256}`"
    if data.rows is not None:
        parts = [
            f"{rows:,} {use}"
            for use in ("training", "validation", "calibration", "test", "dropped")
            if (rows := getattr(data.rows, use))
        ]
        yield f"- Rows: {data.rows.total:,}, of which {', '.join(parts)}"
    if data.class_counts:
        counts = ", ".join(
            f"{_text(label)} {rows:,}" for label, rows in list(data.class_counts.items())[:MOST_CLASSES]
        )
        yield f"- Training rows of each class: {counts}{', ...' if len(data.class_counts) > MOST_CLASSES else ''}"
    for left_out in data.left_out:
        yield f"- Not learned from: {_text(left_out.column)} ({_text(left_out.reason)})"


def _best_epochs(best: int | list[int | None] | None) -> str:
    match best:
        case None:
            return ""
        case int():
            return f", of which {best:,} was the best"
    each = ", ".join("the last" if epoch is None else f"{epoch:,}" for epoch in best)
    return f", the best of each of the {len(best)} networks: {each}"


def _training(training: CardTraining | None) -> Iterator[str]:
    if training is None:
        yield "That is not known here: it was imported."
        return
    parameters = "" if training.parameters is None else f" ({training.parameters:,} parameters)"
    yield f"- Network: {' → '.join(training.layers)}{parameters}"
    rate = "" if training.learning_rate is None else f", learning rate {training.learning_rate:g}"
    yield f"- Optimizer: {training.optimizer}{rate}; loss: {_words(training.loss)}"
    best = _best_epochs(training.best_epoch)
    seconds = "" if training.seconds is None else f", in {training.seconds:.3g} seconds"
    yield f"- Epochs: {training.epochs:,}{best}{', stopped early' if training.stopped_early else ''}{seconds}"
    if training.seed is not None:
        yield f"- Seed: {training.seed}; the same data, seed and environment give the same bits"
    if training.job_id is not None:
        yield f"- Job: `{training.job_id}`"
    if training.start_from is not None:
        yield f"- Started from the model `{training.start_from}`"
    if training.changes:
        yield f"- The recipe was changed {training.changes} times on the way"
    yield from (f"- {_text(note)}" for note in training.notes)


def _environment(card: Card) -> Iterator[str]:
    for name, value in card.environment.items():
        yield f"- {_text(name)}: {_text(_plain(value))}"


def _plain(value: object) -> str:
    """Nested facts in one line, without their names."""
    match value:
        case dict():
            return " ".join(map(_plain, value.values()))
        case list():
            return "; ".join(map(_plain, value))
        case _:
            return str(value)


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    yield f"| {' | '.join(header)} |"
    yield f"|{'---|' * len(header)}"
    for row in rows:
        yield f"| {' | '.join(row)} |"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.4g}"


def _words(name: str) -> str:
    return name.replace("_", " ")


def _text(text: str) -> str:
    """Text on one line that no Markdown takes for anything else."""
    return re.sub(r"([\\`*_{}\[\]<>#|~&!])", r"\\\1", " ".join(text.split()))


def _note(line: str) -> str:
    """People's own Markdown, without HTML."""
    return line.replace("&", "&amp;").replace("<", "&lt;")


def _fenced(text: str) -> str:
    """JSON that ends no code block: a backtick can be written otherwise in it."""
    return text.replace("`", "\\u0060")
