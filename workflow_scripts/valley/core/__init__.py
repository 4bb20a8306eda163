"""Helpers that every stage shares: the study, files, seeds, provenance, the store."""
