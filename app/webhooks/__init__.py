"""Telling other services what has happened: signed requests, sent from an outbox."""
