"""Datasets: published ones by name, folders of pictures, and their splits."""
