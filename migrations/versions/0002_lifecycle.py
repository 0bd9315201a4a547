"""What jobs remember from one attempt to the next, and their checkpoints."""

import sqlalchemy as sa
from alembic import op

revision = "0002_lifecycle"
down_revision = "0001_initial"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("jobs") as jobs:
        jobs.add_column(sa.Column("claimed_at", sa.DateTime(), nullable=True))
        jobs.add_column(sa.Column("spent_seconds", sa.Double(), server_default=sa.text("0"), nullable=False))
        jobs.add_column(sa.Column("crashes", sa.Integer(), server_default=sa.text("0"), nullable=False))
        jobs.add_column(
            sa.Column("memory_bytes", sa.BigInteger(), server_default=sa.text("0"), nullable=False)
        )
        jobs.add_column(sa.Column("pause_requested_at", sa.DateTime(), nullable=True))
        jobs.add_column(sa.Column("changes", sa.JSON(), server_default=sa.text("'[]'"), nullable=False))
        jobs.add_column(sa.Column("findings", sa.JSON(), server_default=sa.text("'[]'"), nullable=False))
        jobs.add_column(sa.Column("weights_sha256", sa.String(), nullable=True))
        jobs.add_column(
            sa.Column("environment_changed", sa.Boolean(), server_default=sa.text("false"), nullable=False)
        )
        jobs.add_column(sa.Column("continues", sa.String(), nullable=True))
        jobs.add_column(sa.Column("replay", sa.JSON(none_as_null=True), nullable=True))
        jobs.add_column(sa.Column("start_model_id", sa.String(), nullable=True))
        jobs.create_foreign_key("fk_jobs_start_model_id_models", "models", ["start_model_id"], ["id"])
        jobs.create_index("ix_jobs_start_model_id", ["start_model_id"])

    op.create_table(
        "checkpoints",
        sa.Column("job_id", sa.String(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("step", sa.BigInteger(), nullable=False),
        sa.Column("epoch", sa.Integer(), nullable=False),
        sa.Column("file", sa.String(), nullable=False),
        sa.Column("bytes", sa.BigInteger(), nullable=False),
        sa.Column("sha256", sa.String(), nullable=False),
        sa.Column("environment", sa.JSON(), nullable=False),
        sa.Column("created_at", sa.DateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["job_id"], ["jobs.id"], name="fk_checkpoints_job_id_jobs", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("job_id", "attempt", "step", name="pk_checkpoints"),
    )
