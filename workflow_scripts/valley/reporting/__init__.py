"""The report: what it shows, how it is drawn, and the commands that write, compare and export."""
