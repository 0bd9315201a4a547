"""Predictions over whole data sets, which run in the queue of jobs and end in a file."""
