"""Predictions in the words of other servers, so that their clients need no change."""
