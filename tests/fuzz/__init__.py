"""Fuzzing: mutated pictures, archives, arrays, models and partial outputs, and random kills.

`python tests/fuzz/run.py --help` and `python tests/fuzz/kills.py --help` say how to run it.
"""
