"""What `darkroom doctor` looks at where Redis and the pictures are; `python -m service.doctor` prints what it finds."""
