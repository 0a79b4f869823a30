"""Rendered photographs of digits and of non-digits, to train and to evaluate on."""
