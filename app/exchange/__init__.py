"""Models taken along in other formats, and brought in from a file."""
