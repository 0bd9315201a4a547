"""A model as one Python file that needs NumPy alone.

Its text is that of engine/export/standalone, part after part; the model is in base64 in it, so that no name and no
label of anybody is ever a part of the program.
"""

import base64
import io
import json
from importlib.resources import files
from textwrap import wrap

import numpy as np

from engine.encoding.records import frame_from_records
from engine.encoding.scales import shares_and_levels
from engine.encoding.target import RegressionTarget
from engine.ensemble import AnyModel
from engine.export.graph import Graph
from engine.export.program import as_json
from engine.export.programs import add_model
from engine.export.vectors import COUNT, drawn_records

PARTS = ("operations", "reading", "predicting")


def export_python(model: AnyModel) -> str:
    """The file's text. Raises `NotExportable`."""
    g = Graph()
    x = g.input("x", "float32", ("rows", model.encoder.width))
    g.output("answers", add_model(g, model, x), "float64", ("rows", model.target.outputs))
    scales = json.dumps([column.model_dump(mode="json") for column in model.encoder.columns])
    shares, levels = shares_and_levels() if '"quantiles"' in scales else (np.zeros(0), np.zeros(0))
    unit = model.target.stds if isinstance(model.target, RegressionTarget) else [1.0]
    description = {
        "program": as_json(g),
        "columns": [column.model_dump(mode="json") for column in model.encoder.columns],
        "target": model.target.model_dump(mode="json"),
        "unit": list(unit),
        "vectors": _vectors(model),
    }
    text = np.frombuffer(json.dumps(description).encode(), np.uint8)
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=False, description=text, shares=shares, levels=levels, **g.constants)
    return _program(base64.b64encode(buffer.getvalue()).decode())


def _vectors(model: AnyModel) -> dict[str, object]:
    """Records, or encoded rows where a column's values cannot be drawn, and the answers to them."""
    records = drawn_records(model.encoder)
    if records is not None:
        frame, _ = frame_from_records(records, model.features)
        return {"records": records, "rows": None, "answers": model.answers(frame).tolist()}
    rows = np.random.default_rng(0).standard_normal((COUNT, model.encoder.width), np.float32)
    return {"records": None, "rows": rows.tolist(), "answers": model.answers_to(rows).tolist()}


def _program(data: str) -> str:
    """The parts without what they import from each other; the last one's data filled in."""
    folder = files("engine.export.standalone")
    texts = [folder.joinpath(f"{part}.py").read_text("utf-8") for part in PARTS]
    lines = [line for text in texts for line in text.splitlines() if not line.startswith("from engine.")]
    quoted = "\n".join(f'    "{line}"' for line in wrap(data, 100))
    place = lines.index('DATA = ""')
    lines[place] = f"DATA = (\n{quoted}\n)"
    return "\n".join(lines) + "\n"
