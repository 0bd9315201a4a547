"""Activations: functions of each value, or of a few."""
