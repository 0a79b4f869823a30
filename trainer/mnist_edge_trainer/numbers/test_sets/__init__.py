"""Test sets of pictures of numbers, composed for the evaluation alone.

Nothing here shares code, typefaces or drawings with what readers are trained on.
"""
