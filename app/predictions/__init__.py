"""Answers of a model to raw records."""
