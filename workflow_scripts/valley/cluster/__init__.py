"""Running on a SLURM cluster: what jobs ask for, how they are watched, what they cost."""
