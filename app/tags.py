"""Finding rows by a tag: the one query that the databases spell differently."""

from sqlalchemy import Boolean, ColumnElement, Text, literal
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.orm import InstrumentedAttribute
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement


class _Holds(FunctionElement[bool]):
    """Whether a JSON array holds a text."""

    name = "holds"
    type = Boolean()
    inherit_cache = True


def has_tag(tags: InstrumentedAttribute[list[str]], tag: str) -> ColumnElement[bool]:
    """Whether the column `tags` holds `tag`."""
    return _Holds(tags, literal(tag, Text))


@compiles(_Holds, "sqlite")
def _on_sqlite(element: _Holds, compiler: SQLCompiler, **options: object) -> str:
    tags, tag = (compiler.process(clause, **options) for clause in element.clauses)
    return f"EXISTS (SELECT 1 FROM json_each({tags}) AS held WHERE held.value = {tag})"  # noqa: S608 - compiled SQL


@compiles(_Holds, "postgresql")
def _on_postgresql(element: _Holds, compiler: SQLCompiler, **options: object) -> str:
    tags, tag = (compiler.process(clause, **options) for clause in element.clauses)
    return f"(CAST({tags} AS JSONB) @> to_jsonb(CAST({tag} AS TEXT)))"
