"""The report's page: what it shows, gathered from a study's files, and how it is drawn."""
