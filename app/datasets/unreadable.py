"""What makes a file unreadable, whatever its format."""

import codecs
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from app.problems import FieldError, Invalid, to_pointer
from engine.spec import Path as Where

MAX_COLUMNS = 10_000
PIECE = 1 << 20
GZIP = b"\x1f\x8b"  # how its files begin (RFC 1952, 2.3.1)


def unreadable(detail: str, *where: str | int) -> Invalid:
    """The error; `where` is the path into a JSON body."""
    path: Where = where
    errors = [FieldError(pointer=to_pointer(path), detail=detail)] if path else []
    return Invalid(detail, errors, code="unreadable_file")


def check_columns(names: Sequence[str]) -> None:
    """Raise for columns that are too many, nameless or of the same name."""
    if len(names) > MAX_COLUMNS:
        raise unreadable(f"there are {len(names):,} columns; at most {MAX_COLUMNS:,} are allowed")
    for number, name in enumerate(names, 1):
        if "\0" in name:
            raise unreadable(
                f"the name of column {number} of {len(names)} holds a NUL, which text never does"
            )
        if not name.strip():
            raise unreadable(f"column {number} of {len(names)} has no name")
    twice = [repr(name[:40]) for name, count in Counter(names).items() if count > 1]
    if twice:
        raise unreadable(f"several columns have the same name: {', '.join(twice[:5])}")


def check_text(path: Path) -> None:
    """Raise for a file that is empty or not UTF-8, or that holds a NUL, and say where."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    lines, offset, blank = 1, 0, True
    with path.open("rb") as file:
        if file.read(len(GZIP)) == GZIP:
            raise unreadable("the body is compressed: send it with the header Content-Encoding: gzip")
        file.seek(0)
        while piece := file.read(PIECE):
            held = len(decoder.getstate()[0])  # bytes of a character that the piece before began
            try:
                decoder.decode(piece)
            except UnicodeDecodeError as error:
                raise _not_utf8(error, offset - held, lines, piece[: max(error.start - held, 0)]) from None
            if (at := piece.find(b"\0")) >= 0:
                line = lines + piece.count(b"\n", 0, at)
                raise unreadable(
                    f"line {line} holds a NUL byte (at offset {offset + at}), which text never does"
                )
            blank = blank and not piece.strip()
            lines += piece.count(b"\n")
            offset += len(piece)
    if blank:
        raise unreadable("the body is empty")
    if held := len(decoder.getstate()[0]):
        raise unreadable(f"line {lines} ends within a UTF-8 character (at offset {offset - held})")


def _not_utf8(error: UnicodeDecodeError, start: int, lines: int, before: bytes) -> Invalid:
    byte, offset = error.object[error.start], start + error.start
    return unreadable(
        f"line {lines + before.count(bytes([10]))} is not UTF-8: byte 0x{byte:02x} at offset {offset}; "
        "save the file as UTF-8 and send it again"
    )
