"""Child process: a model's file read, and written in another format."""

from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from app.problems import Invalid, NotFound, NotInstalled
from engine import __version__, kernels, model_file
from engine.ensemble import AnyModel, Ensemble, load_model
from engine.export.errors import NotExportable
from engine.export.keras.weights_file import export_keras_weights
from engine.export.python_file import export_python
from engine.folds.out_of_fold import Kept
from engine.model_file import UnreadableModel
from engine.spec import InvalidSpec

OWN = frozenset({"format", "encoder", "network", "link", "target", "assurance", "series"})
LONGEST_ENTRY, MOST_ENTRIES = 10_000, 50


def export(path: Path, about: dict[str, str], format_: str, out: Path) -> dict[str, str | None]:
    """Write the model of a file as `format_` into `out`; why its encoder is not in it, if it is not.

    `about`: what the database knows, `model_id` and `sha256` among it. Raises `NotFound`, `NotInstalled`, and
    `Invalid` where the format cannot hold the model.
    """
    kernels.use("numpy")
    model = _kept(path, about)
    try:
        if format_ == "python":
            out.write_text(export_python(model), "utf-8")
            return {"encoder_left_out": None}
        if format_ == "keras_weights":
            out.write_bytes(export_keras_weights(model))
            return {"encoder_left_out": "the file holds the network's weights: it takes encoded rows"}
        if find_spec("onnx") is None:
            raise NotInstalled(
                'ONNX needs the package onnx: pip install "backpropd[onnx]", and start the service anew'
            )
        from engine.export.onnx_model import export_onnx  # noqa: PLC0415 - the extra may not be there

        made = export_onnx(model, {f"backpropd.{name}": value for name, value in about.items()})
    except NotExportable as error:
        raise Invalid(f"the model cannot be exported as {format_}: {error}", code="not_exportable") from None
    out.write_bytes(made.data)
    return {"encoder_left_out": made.encoder_left_out}


def describe(path: Path, memory: int) -> dict[str, Any]:
    """What is to be recorded of an uploaded model; raises `Invalid` for a file that is no usable one."""
    kernels.use("numpy")
    data = path.read_bytes()
    try:
        model = load_model(data)
        if (needed := model.memory_bytes) > memory:
            raise Invalid(
                f"the model needs {needed:,} bytes of memory, {memory:,} are allowed", code="unreadable_file"
            )
        _, metadata = model_file.unpack(data)
        _try_out(path)
    except (UnreadableModel, InvalidSpec) as error:
        raise Invalid(str(error)[:1000], code="unreadable_file") from None
    further = {name: text[:LONGEST_ENTRY] for name, text in sorted(metadata.items()) if name not in OWN}
    digest = sha256(data).hexdigest()
    return {
        "task": model.target.kind,
        "features": [feature.model_dump(mode="json") for feature in model.features],
        "target": model.target.model_dump(mode="json"),
        "bytes": len(data),
        "sha256": digest,
        "lineage": {
            "dataset": None,
            "imported": {
                "sha256": digest,
                "bytes": len(data),
                "metadata": dict(list(further.items())[:MOST_ENTRIES]),
            },
            "network": model.network.model_dump(mode="json"),
            "training": {},
            "seed": None,
            "engine_version": __version__,
            "environment": {},
        },
    }


def _try_out(path: Path) -> None:
    """Raise `UnreadableModel` where the model, read as it will be, cannot answer, or not what it has kept."""
    try:
        model = load_model(model_file.mapped(path))
        model.predict_encoded(np.zeros((1, model.encoder.width), np.float32))
        if isinstance(model, Ensemble) and (kept := Kept.of(model.further)) is not None:
            model.target.decode(kept.answers[:1], np.empty((1, 0), np.float32))
    except MemoryError:
        raise
    except Exception as error:
        detail = f"the parts of this file do not belong together: {type(error).__name__}: {error}"
        raise UnreadableModel(detail) from error


def _kept(path: Path, about: dict[str, str]) -> AnyModel:
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise NotFound(f"model {about['model_id']} has just been deleted") from None
    if sha256(data).hexdigest() != about["sha256"]:
        raise RuntimeError(f"the file of {about['model_id']} is damaged")
    return load_model(data)
