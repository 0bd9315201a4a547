"""Layers that change images at random while a network trains."""
