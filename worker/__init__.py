"""The GPU side: takes jobs from the line, draws, stores, finishes. Knows nothing of HTTP."""
