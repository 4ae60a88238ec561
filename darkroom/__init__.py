"""What a user installs and runs. Needs none of the service's or the worker's code."""
