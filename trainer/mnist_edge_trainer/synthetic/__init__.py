"""Simulated photographs of digits and non-digits, to train on and to measure robustness with."""
