"""What the service and the worker agree on. Knows neither HTTP, nor RQ, nor torch."""
