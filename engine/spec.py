"""What every spec has in common, and the error that a spec that cannot work raises."""

from typing import ClassVar

from pydantic import BaseModel, ConfigDict

Path = tuple[str | int, ...]


class Spec(BaseModel):
    """A frozen description in JSON of something that the engine builds.

    The API's JSON and the code's configuration are the same object. A concrete spec has a literal
    field `kind`; its docstring is the help text in the catalog.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    formula: ClassVar[str] = ""
    """The formula in LaTeX, as the catalog shows it."""
    source: ClassVar[str] = ""
    """Where the formula comes from: author, year, title, equation."""


class InvalidSpec(ValueError):
    """A spec that is well formed but cannot work, with the path of the field that is wrong.

    `path` is relative to the spec that raised; a caller that holds that spec in a field of its own
    puts the field's name in front with `under`.
    """

    def __init__(self, detail: str, path: Path = ()) -> None:
        super().__init__(detail)
        self.detail = detail
        self.path = path

    def under(self, *path: str | int) -> "InvalidSpec":
        """The same error seen from the owner of the spec."""
        return InvalidSpec(self.detail, (*path, *self.path))
