"""Pictures in other formats and sizes than they are stored in."""
