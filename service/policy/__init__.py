"""What this service does not draw, as its operator says."""
