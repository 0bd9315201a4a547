"""Secrets that open the service: made once, shown once, kept as a hash.

`<kind>_<prefix>_<secret>`: the prefix finds the row, the secret is 256 random bits, which no hash needs to be slow for.
"""

import hashlib
import re
import secrets
from dataclasses import dataclass, field

KEY = "bpd"
PAGE_SESSION = "bps"

_TOKEN = re.compile(r"(bpd|bps)_([0-9a-f]{12})_[0-9a-f]{64}")


@dataclass(frozen=True)
class Token:
    """A secret as its bearer has it."""

    text: str = field(repr=False)
    prefix: str
    sha256: str


def new_token(kind: str) -> Token:
    """A new secret."""
    prefix = secrets.token_hex(6)
    return _token(f"{kind}_{prefix}_{secrets.token_hex(32)}", prefix)


def read_token(kind: str, text: str) -> Token | None:
    """The secret in `text`; None where that is none of this kind."""
    match = _TOKEN.fullmatch(text)
    return _token(text, match[2]) if match and match[1] == kind else None


def matches(token: Token, sha256: str) -> bool:
    """Whether it is the secret with this hash, in constant time."""
    return secrets.compare_digest(token.sha256, sha256)


def _token(text: str, prefix: str) -> Token:
    return Token(text, prefix, hashlib.sha256(text.encode()).hexdigest())
