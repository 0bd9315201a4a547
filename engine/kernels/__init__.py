"""The element-wise work of a training step: in NumPy, or compiled where numba is installed.

NumPy needs a call, and a pass over memory, for each operation; a compiled kernel does all of them in one.
Both compute the same formulas in the same order, so that their results differ by rounding alone. What is
built or bound keeps the kernels that were chosen at that moment.
"""

from importlib import import_module
from importlib.util import find_spec
from typing import Literal, cast

from engine.kernels.contract import Indices, Kernels, Mask

Choice = Literal["auto", "numpy", "numba"]

_chosen: Kernels | None = None


def use(choice: Choice) -> Kernels:
    """Choose the kernels of what is built or bound from now on; "auto": those of numba where it is installed.

    Raises `ImportError` for "numba" where it is not. Its first use compiles the kernels, which takes some
    seconds; the result is kept beside the code, or else in the user's cache.
    """
    global _chosen  # noqa: PLW0603 - one choice for the process
    compiled = choice == "numba" or (choice == "auto" and find_spec("numba") is not None)
    module = import_module("engine.kernels.in_numba" if compiled else "engine.kernels.in_numpy")
    _chosen = cast("Kernels", module)
    return _chosen


def chosen() -> Kernels:
    """The kernels in use; "auto" unless something else was chosen."""
    return _chosen or use("auto")


__all__ = ["Choice", "Indices", "Kernels", "Mask", "chosen", "use"]
