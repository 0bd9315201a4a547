"""What cannot be taken along, and why. Imports nothing, so cheap to import."""


class NotExportable(ValueError):
    """The model, or a part of it, has no form in the format asked for; the sentence says which part and why."""
