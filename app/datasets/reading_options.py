"""What an upload's request may say about how its file is to be read."""

from dataclasses import dataclass

from app.datasets.formats import Format
from app.problems import Invalid


@dataclass(frozen=True)
class ReadOptions:
    """None: as the format's reader finds it best."""

    most_bytes: int = 1 << 30  # of an archive's files, decompressed
    image_size: int | None = None  # height and width of images in pixels
    sheet: str | None = None  # of an Excel file

    def check(self, format_: Format) -> None:
        """Raise `Invalid` for an option that the format has no use for."""
        for option, value, formats in (
            ("image_size", self.image_size, ("zip",)),
            ("sheet", self.sheet, ("xlsx",)),
        ):
            if value is not None and format_ not in formats:
                raise Invalid.at(
                    f"/{option}", f"{option} is for {' and '.join(formats)} files, not for {format_}"
                )
