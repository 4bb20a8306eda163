"""Slices that a study file declares: rows of the pool chosen, and rewritten."""
