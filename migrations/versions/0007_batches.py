"""Kinds of jobs, and the files of batch predictions."""

import sqlalchemy as sa
from alembic import op

revision = "0007_batches"
down_revision = "0006_aliases"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # SQLite's record of a table says how it came about: only a copy is like a table that is made with the column.
    recreate = "always" if op.get_bind().dialect.name == "sqlite" else "never"
    with op.batch_alter_table("jobs", recreate=recreate) as jobs:
        jobs.add_column(sa.Column("kind", sa.String(), server_default="training", nullable=False))
    op.create_table(
        "batch_files",
        sa.Column("owner", sa.String(), server_default="", nullable=False),
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("format", sa.String(), nullable=False),
        sa.Column("rows", sa.BigInteger(), nullable=False),
        sa.Column("bytes", sa.BigInteger(), nullable=False),
        sa.Column("sha256", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(["id"], ["jobs.id"], name="fk_batch_files_id_jobs", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name="pk_batch_files"),
    )
    op.create_index("ix_batch_files_owner", "batch_files", ["owner", "id"])
