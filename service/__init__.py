"""The HTTP side: takes requests, shows jobs, hands out images. Knows nothing of torch."""
