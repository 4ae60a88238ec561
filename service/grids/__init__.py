"""Grids: jobs that differ in one or two parameters alone, asked for, shown and drawn on one sheet."""
