"""Layers for tables: scaling, embeddings of numbers, ensembles within one network."""
