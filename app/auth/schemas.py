"""Keys on the wire."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from app.access import Scope
from app.moments import Moment

Owner = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9._-]{0,62}$")]
"""Whose things a key's are: 1 to 63 characters out of a-z, 0-9, '.', '_' and '-'."""

Note = Annotated[str, StringConstraints(max_length=200, pattern=r"^[^\x00-\x1f\x7f]*$")]
"""What a key is for: one line of free text."""


class KeyRequest(BaseModel):
    """A key that is wanted."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"owner": "ada", "scope": "write", "note": "nightly training"}]},
    )

    owner: Owner = Field(
        description="Whose data sets, networks, jobs and models the key sees.", examples=["ada"]
    )
    scope: Scope = Field(description="`read`, `write` (and read) or `admin` (and all else: keys, audit).")
    expires_at: Moment | None = Field(None, description="When it ends; null: never.")
    note: Note = Field("", description="What it is for.", examples=["nightly training"])


class Key(BaseModel):
    """A key, without its secret."""

    model_config = ConfigDict(from_attributes=True)

    id: str
    prefix: str = Field(description="The part after `bpd_`, by which a key is recognized.")
    owner: str
    scope: Scope
    note: str
    status: Literal["active", "expired", "revoked"]
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    last_used_at: datetime | None = Field(description="When it was last used, to about a minute.")


class NewKey(Key):
    """A key that has just been made: its secret is shown this once."""

    key: str = Field(description="The key itself. Only its hash is kept: nobody can show it again.")


class PageSession(BaseModel):
    """A browser's session."""

    owner: str
    scope: Scope
    expires_at: datetime
