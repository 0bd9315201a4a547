"""Convolutions, and the ways to compute them."""
