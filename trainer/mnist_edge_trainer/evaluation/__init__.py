"""Metrics, robustness, rejection, saliency, and their plots."""
