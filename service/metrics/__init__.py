"""What GET /metrics tells: of this process, and of what all processes share in Redis."""
