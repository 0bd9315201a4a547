"""Write the parts of the docs that the code knows: `make docs`; `--check` fails where one is out of step.

- docs/catalog.md: every layer, loss, optimizer, ... with its formula and parameters
- docs/openapi.json: the HTTP interface
- README.md: the table of settings, between its two markers
"""

import json
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from pydantic.fields import FieldInfo

from app.main import create_app
from app.settings import PREFIX, Settings
from engine.catalog import Entry, Method, Parameter, catalog
from engine.doctor import Rule

ROOT = Path(__file__).resolve().parent.parent
START, END = "<!-- settings: written by make docs -->", "<!-- end of settings -->"


def main() -> int:
    """Write the files, or with `--check` name those that `make docs` would change; the exit code."""
    readme = ROOT / "README.md"
    documents = {
        ROOT / "docs" / "catalog.md": _catalog(),
        ROOT / "docs" / "openapi.json": _openapi(),
        readme: _readme(readme.read_text()),
    }
    stale = {path: text for path, text in documents.items() if not path.exists() or path.read_text() != text}
    if "--check" in sys.argv[1:]:
        for path in stale:
            sys.stderr.write(f"{path.relative_to(ROOT)} is out of step with the code: run make docs\n")
        return 1 if stale else 0
    for path, text in stale.items():
        path.write_text(text)
    return 0


def _catalog() -> str:
    parts = ["# Catalog", "What a network and its training can be made of, as `GET /v1/catalog` tells it."]
    for group, entries in catalog():
        if group == "findings":
            parts += [f"## {group.capitalize()}", *(part for rule in entries for part in _rule(rule))]
            continue
        parts += [f"## {group.capitalize()}", *(part for entry in entries for part in _entry(entry))]
    return "\n\n".join(parts) + "\n"


def _rule(rule: Rule) -> Iterator[str]:
    yield f"### `{rule.code}`"
    yield rule.explanation
    yield f"Told when: {rule.rule}"
    yield f"Source: {rule.source}"


def _entry(entry: Entry) -> Iterator[str]:
    yield f"### `{entry.kind}`"
    yield entry.summary
    if entry.formula:
        yield f"```math\n{entry.formula}\n```"
    if entry.source:
        yield f"Source: {entry.source}"
    if isinstance(entry, Method):
        yield f"Cost: {entry.cost}."
    if entry.parameters:
        yield _table(
            ("parameter", "type", "default", "allowed", "meaning"),
            [
                (
                    f"`{p.name}`",
                    p.type + (" or null" if p.nullable else ""),
                    "required" if p.required else f"`{json.dumps(p.default)}`",
                    _allowed(p),
                    p.description,
                )
                for p in entry.parameters
            ],
        )


def _allowed(parameter: Parameter) -> str:
    if parameter.choices:
        return ", ".join(f"`{choice}`" for choice in parameter.choices)
    bounds = []
    if parameter.minimum is not None:
        bounds.append(f"{'>' if parameter.exclusive_minimum else '>='} {parameter.minimum:g}")
    if parameter.maximum is not None:
        bounds.append(f"{'<' if parameter.exclusive_maximum else '<='} {parameter.maximum:g}")
    return " and ".join(bounds)


def _openapi() -> str:
    with tempfile.TemporaryDirectory() as data:
        document = create_app(Settings(data=Path(data))).openapi()
    return json.dumps(document, indent=1, ensure_ascii=False) + "\n"


def _readme(text: str) -> str:
    if text.count(START) != 1 or text.count(END) != 1:
        raise SystemExit(f"README.md must hold `{START}` and `{END}` once each, around the table of settings")
    before, rest = text.split(START)
    after = rest.split(END)[1]
    return f"{before}{START}\n{_settings()}\n{END}{after}"


def _settings() -> str:
    rows = [
        (
            f"`--{name.replace('_', '-')}`",
            f"`{PREFIX}{name.upper()}`",
            _default(field),
            field.description or "",
        )
        for name, field in Settings.model_fields.items()
    ]
    return _table(("option", "variable", "default", "meaning"), rows)


def _default(field: FieldInfo) -> str:
    if field.default_factory:
        return "by machine"
    return "" if field.default in (None, "") else f"`{field.default}`"


def _table(header: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    lines = [header, ("---",) * len(header), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


if __name__ == "__main__":
    sys.exit(main())
