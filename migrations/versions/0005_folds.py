"""Which of several networks an epoch belongs to."""

import sqlalchemy as sa
from alembic import op

revision = "0005_folds"
down_revision = "0004_records"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # SQLite's record of a table says how it came about: only a copy is like a table that is made with the columns.
    recreate = "always" if op.get_bind().dialect.name == "sqlite" else "never"
    kwargs = {"sqlite_with_rowid": False}  # which a copied table loses otherwise
    with op.batch_alter_table("job_points", recreate=recreate, table_kwargs=kwargs) as batch:
        batch.add_column(sa.Column("fold", sa.Integer(), nullable=True))
        batch.add_column(sa.Column("fold_epoch", sa.Integer(), nullable=True))
