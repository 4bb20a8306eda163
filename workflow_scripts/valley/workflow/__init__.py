"""What extends Snakemake: its DAG, its records, its console, and a job around a stage."""
