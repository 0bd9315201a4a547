"""Backups: the database and every file that it names, at one moment, in one archive; and the way back."""
