"""What every method of explaining has in common."""

from typing import ClassVar

from engine.spec import Spec


class ExplanationSpec(Spec):
    """A way to explain a model: what is asked, with its formula, its source and what it costs.

    A concrete one has a literal field `method`; its docstring is the help text in the catalog.
    """

    cost: ClassVar[str]
    """How much work it is, in passes of a row through the network."""


class Unexplainable(ValueError):
    """A method that does not suit the model or the rows; `field` is the part of the question to blame."""

    def __init__(self, detail: str, field: str = "method") -> None:
        super().__init__(detail)
        self.detail = detail
        self.field = field
