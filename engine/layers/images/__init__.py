"""Layers that change the size of images and series, and what they share."""
