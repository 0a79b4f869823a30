"""Classes and functions for engines that work on many machines; each imports its engine alone."""
