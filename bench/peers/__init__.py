"""Darkroom beside what a user would pick instead; `python -m bench.peers` prints the table."""
