"""Seeing before paying: what Snakemake would run, why, and what it would cost."""
