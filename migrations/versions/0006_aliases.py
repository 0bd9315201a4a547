"""Notes on models; aliases and their history."""

import sqlalchemy as sa
from alembic import op

revision = "0006_aliases"
down_revision = "0005_folds"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # SQLite's record of a table says how it came about: only a copy is like a table that is made with the column.
    recreate = "always" if op.get_bind().dialect.name == "sqlite" else "never"
    with op.batch_alter_table("models", recreate=recreate) as models:
        models.add_column(sa.Column("notes", sa.String(), server_default="", nullable=False))
    op.create_table(
        "model_aliases",
        sa.Column("owner", sa.String(), server_default="", nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("alias", sa.String(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("moved_at", sa.DateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["owner", "name", "version"],
            ["models.owner", "models.name", "models.version"],
            name="fk_model_aliases_owner_models",
            onupdate="CASCADE",
        ),
        sa.PrimaryKeyConstraint("owner", "name", "alias", name="pk_model_aliases"),
    )
    op.create_table(
        "alias_moves",
        sa.Column("owner", sa.String(), server_default="", nullable=False),
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("alias", sa.String(), nullable=False),
        sa.Column("action", sa.String(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=True),
        sa.Column("previous_version", sa.Integer(), nullable=True),
        sa.Column("key_id", sa.String(), nullable=True),
        sa.Column("at", sa.DateTime(), nullable=False),
        sa.Column("gate", sa.JSON(), nullable=True),
        sa.ForeignKeyConstraint(
            ["owner", "name"],
            ["model_names.owner", "model_names.name"],
            name="fk_alias_moves_owner_model_names",
            onupdate="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name="pk_alias_moves"),
    )
    op.create_index("ix_alias_moves_alias", "alias_moves", ["owner", "name", "alias", "id"])
