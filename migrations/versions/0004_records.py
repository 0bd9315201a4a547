"""The order of the queue by owners, large figures, and when chores were last done."""

import sqlalchemy as sa
from alembic import op

revision = "0004_records"
down_revision = "0003_access"
branch_labels = None
depends_on = None

TABLE_KWARGS = {"job_points": {"sqlite_with_rowid": False}}  # which a copied table loses otherwise


def upgrade() -> None:
    for table, column in (("models", "bytes"), ("checkpoints", "step"), ("job_points", "step")):
        with op.batch_alter_table(table, table_kwargs=TABLE_KWARGS.get(table, {})) as batch:
            batch.alter_column(
                column, existing_type=sa.Integer(), type_=sa.BigInteger(), existing_nullable=False
            )
    op.drop_index("ix_jobs_queue", "jobs")
    op.create_index("ix_jobs_queue", "jobs", ["status", "priority", "owner", "id"])
    op.create_table(
        "chores",
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("done_at", sa.DateTime(), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_chores"),
    )
