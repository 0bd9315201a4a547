"""Choosing among models: aliases and their gates, comparisons, cards."""
