"""Layers that bring what passes them to mean 0 and deviation 1, or near it."""
