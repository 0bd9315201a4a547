"""Forecasts: rows that follow each other in time as examples of what comes next.

spec      SeriesSpec      what a job says of them; without polars
windows   SeriesWindows   tables of rows -> tables of windows, and forecasts back into the targets' values
problem   as_examples     a wish about a series as one about a table of windows
"""
