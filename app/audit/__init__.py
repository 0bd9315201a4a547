"""The log of changes: who did what, when."""
