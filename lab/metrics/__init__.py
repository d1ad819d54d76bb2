"""Numbers in, numbers out: NumPy and SciPy only."""
