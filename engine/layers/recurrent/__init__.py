"""Layers that read a series step by step."""
