"""Measurements: each module runs by itself (``python -m benchmarks.<name>``) and prints what it found."""
