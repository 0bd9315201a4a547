"""The table of the files that batch predictions end in."""

from sqlalchemy import BigInteger, ForeignKey, Index, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from app.database import Base
from app.jobs.store import JobRow
from app.ownership import Stored


class BatchFileRow(Stored, Base):
    """The answers of a batch prediction that has succeeded; they lie in a file that id and format name."""

    __tablename__ = "batch_files"
    __table_args__ = (Index("ix_batch_files_owner", "owner", "id"),)

    id: Mapped[str] = mapped_column(ForeignKey(JobRow.id, ondelete="CASCADE"), primary_key=True)
    format: Mapped[str]
    rows: Mapped[int] = mapped_column(BigInteger)
    bytes: Mapped[int] = mapped_column(BigInteger)
    sha256: Mapped[str]


def get(session: Session, batch_id: str) -> BatchFileRow | None:
    """The file of this batch prediction."""
    return session.get(BatchFileRow, batch_id)


def of(session: Session, batch_ids: list[str]) -> dict[str, BatchFileRow]:
    """The files of several."""
    rows = session.scalars(select(BatchFileRow).where(BatchFileRow.id.in_(batch_ids)))
    return {row.id: row for row in rows}
