"""Keys, sessions of the pages, the audit log, and an owner for everything."""

from typing import Literal

import sqlalchemy as sa
from alembic import op

revision = "0003_access"
down_revision = "0002_lifecycle"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _keys()
    _audit()
    _owners()


def _keys() -> None:
    op.create_table(
        "keys",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("prefix", sa.String(), nullable=False),
        sa.Column("sha256", sa.String(), nullable=False),
        sa.Column("owner", sa.String(), nullable=False),
        sa.Column("scope", sa.Enum("read", "write", "admin", native_enum=False), nullable=False),
        sa.Column("note", sa.String(), nullable=False),
        sa.Column("created_at", sa.DateTime(), nullable=False),
        sa.Column("expires_at", sa.DateTime(), nullable=True),
        sa.Column("revoked_at", sa.DateTime(), nullable=True),
        sa.Column("last_used_at", sa.DateTime(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_keys"),
        sa.UniqueConstraint("prefix", name="uq_keys_prefix"),
    )
    op.create_table(
        "page_sessions",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("prefix", sa.String(), nullable=False),
        sa.Column("sha256", sa.String(), nullable=False),
        sa.Column("key_id", sa.String(), nullable=False),
        sa.Column("created_at", sa.DateTime(), nullable=False),
        sa.Column("expires_at", sa.DateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["key_id"], ["keys.id"], name="fk_page_sessions_key_id_keys", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_page_sessions"),
        sa.UniqueConstraint("prefix", name="uq_page_sessions_prefix"),
    )
    op.create_index("ix_page_sessions_key_id", "page_sessions", ["key_id"])


def _audit() -> None:
    op.create_table(
        "audit",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("at", sa.DateTime(), nullable=False),
        sa.Column("key_id", sa.String(), nullable=True),
        sa.Column("owner", sa.String(), nullable=True),
        sa.Column("client", sa.String(), nullable=True),
        sa.Column("method", sa.String(), nullable=False),
        sa.Column("route", sa.String(), nullable=False),
        sa.Column("ids", sa.JSON(), nullable=False),
        sa.Column("status", sa.Integer(), nullable=False),
        sa.Column("request_id", sa.String(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_audit"),
    )
    op.create_index("ix_audit_at", "audit", ["at"])


def _owners() -> None:
    # On SQLite a table is copied, so that it stands there as a new one would.
    recreate: Literal["always", "never"] = "always" if op.get_bind().dialect.name == "sqlite" else "never"
    for name in ("datasets", "networks", "jobs"):
        with op.batch_alter_table(name, recreate=recreate) as table:
            table.add_column(_owner())
            table.create_index(f"ix_{name}_owner", ["owner", "id"])

    with op.batch_alter_table("models") as models:  # in two steps: its name's key changes in between
        models.drop_constraint("fk_models_name_model_names", type_="foreignkey")
        models.drop_constraint("uq_models_name", type_="unique")
    for name, key in (("model_names", "name"), ("idempotency_keys", "scope")):
        with op.batch_alter_table(name) as table:
            table.add_column(_owner())
            table.drop_constraint(f"pk_{name}", type_="primary")
            table.create_primary_key(f"pk_{name}", ["owner", key])
    with op.batch_alter_table("models") as models:
        models.add_column(_owner())
        models.create_foreign_key(
            "fk_models_owner_model_names",
            "model_names",
            ["owner", "name"],
            ["owner", "name"],
            onupdate="CASCADE",
        )
        models.create_unique_constraint("uq_models_owner", ["owner", "name", "version"])
        models.create_index("ix_models_owner", ["owner", "id"])


def _owner() -> sa.Column[str]:
    return sa.Column("owner", sa.String(), server_default="", nullable=False)
