"""The library behind the stages: what several of them share, and the commands."""
