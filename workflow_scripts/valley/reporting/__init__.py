"""Commands on finished results: `valley report`, `compare` and `export`."""
