"""Uploaded tables: stored, typed, profiled."""
