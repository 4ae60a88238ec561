"""Side-by-side measurements, each a command that prints one table."""

from worker.settings import configure_libraries

configure_libraries()  # before torch is imported: the bare call and the worker must wait alike
