"""The mathematics of backpropd: networks, their training and their use, in NumPy."""

__version__ = "0.1.0"
