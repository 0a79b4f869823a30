"""Recipes, the training loop, losses, distillation, and the search for a better recipe."""
