"""Trained networks: versions, lineage, evaluation."""
