"""Real corpora: sources, joins, cleaning and decontamination."""
