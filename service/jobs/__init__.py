"""Jobs as the routes see them: into the line, out of it, and what happens there."""
