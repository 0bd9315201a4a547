"""What stands in an exported predictor, file after file: NumPy and the standard library, nothing of the engine."""
