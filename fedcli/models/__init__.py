"""Losses and solvers: what a silo sums and how the coordinator advances."""
