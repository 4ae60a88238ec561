"""Replicate's predictions: every job of an owner can be read as one, and the other way round."""
