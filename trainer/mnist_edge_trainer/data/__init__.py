"""Datasets: published ones by name, image folders, their splits and statistics."""
