"""What a training ran on: part of what makes it reproducible, and so of a model's lineage."""

import platform
from typing import Any

import numpy as np
from threadpoolctl import ThreadpoolController

from engine import __version__, kernels


def environment(libraries: ThreadpoolController) -> dict[str, Any]:
    """Versions, processor, kernels and BLAS of this process, with the threads that BLAS has now."""
    blas = [library for library in libraries.info() if library["user_api"] == "blas"]
    return {
        "engine": __version__,
        "python": platform.python_version(),
        "numpy": np.__version__,
        "kernels": kernels.chosen().NAME,
        "machine": platform.machine(),
        "blas": [
            {
                "library": library["internal_api"],
                "version": library["version"],
                "architecture": library.get("architecture"),
                "threads": library["num_threads"],
            }
            for library in blas
        ],
    }
