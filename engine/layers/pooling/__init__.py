"""Layers that make images and series smaller."""
