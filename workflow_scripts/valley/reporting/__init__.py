"""Commands on results: `valley report`, `compare` and `export`, of whatever is finished."""
