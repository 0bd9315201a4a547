"""Attention, and what a transformer is made of."""
