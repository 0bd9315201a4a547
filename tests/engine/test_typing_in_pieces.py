"""A table that comes in pieces is typed as the whole one is, wherever the value stands that decides."""

import numpy as np
import polars as pl
import pytest

from engine.encoding.columns import infer
from engine.encoding.typing_in_pieces import Typing

WHOLE, FRACTION = ["1", " -7", "+5", "007", "", "NA"], ["2.5", "-.5", "1e3", "NaN"]
WORDS, TRUTH, TIMES = (
    ["red", " blue ", "?", "x1"],
    ["true", "No", "t", "0"],
    ["2024-02-29", "2024-01-05T10:11:12Z", ""],
)
COLUMNS = {
    "whole": (WHOLE, []),
    "^whole, then one fraction$": (WHOLE, ["2.5"]),
    "whole, then whole as a fraction": (WHOLE, ["3.0"]),
    "large whole": (["9007199254740993", "5"], []),
    "large whole, then whole as a fraction": (["9007199254740993", "5"], ["3.0"]),
    "too large for 64 bits": (["1", "99999999999999999999"], []),
    "fractions": (WHOLE + FRACTION, []),
    "whole fractions": (["1.0", "2e2", "", "-3.00"], []),
    "^infinite$": (["1.5", "inf", "-1e200", "nan"], []),
    "only infinite": (["inf", "-inf"], []),
    "only missing": (["", "NA", " ? "], []),
    "missing, then one number": (["", "NA"], ["12"]),
    "numbers, then one word": (WHOLE + FRACTION, ["red"]),
    "0 and 1, then true": (["0", "1", ""], ["true"]),
    "0 and 1, then a time": (["0", "1", ""], ["2024-01-01"]),
    "truth": (TRUTH, []),
    "truth, then a word": (TRUTH, ["maybe"]),
    "times": (TIMES, []),
    "^times, then a number$": (TIMES, ["5"]),
    "words": (WORDS, []),
    "many words": ([f"word {i}" for i in range(1000)], []),
}


@pytest.mark.slow
@pytest.mark.parametrize("rows", [7, 50, 400])
def test_as_the_whole_table(rows: int) -> None:
    rng = np.random.default_rng(0)
    table = pl.DataFrame(
        {name: [*rng.choice(values, 399), *(late or values[:1])] for name, (values, late) in COLUMNS.items()}
    )
    pieces = list(table.iter_slices(rows))
    typing, passes = Typing(pieces[0]), 0
    while True:
        passes += 1
        typed = [typing.typed(piece) for piece in pieces]
        if typing.holds():
            break
    whole, types, warnings = infer(table)
    assert pl.concat([piece for piece in typed if piece is not None]).equals(whole)
    assert typing.schema == whole.schema
    assert [column.kind or "words" for column in typing.columns] == [
        "words" if kind in {"categorical", "text"} else kind for kind in types.values()
    ]
    assert list(typing.warnings()) == warnings
    assert passes <= 4
    for column in typing.columns:
        present = whole[column.name].alias("value").drop_nulls()
        assert column.present == len(present)
        assert column.characters == (present.str.len_chars().sum() if column.kind is None else 0)
