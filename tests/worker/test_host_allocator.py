"""What the C library does with memory that is freed and taken again."""

import subprocess
import sys

_CHURN = """
import resource
from worker.host_allocator import keep_freed_memory

{first}
def churn():
    blocks = [bytearray(b"x") * (24 * 1024**2) for _ in range(3)]

churn()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(5):
    churn()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""
_PAGES_OF_ONE_ROUND = 3 * 24 * 1024**2 // 4096


def _page_faults(first: str) -> int:
    """Of five rounds of the same, in a process of its own."""
    return int(subprocess.check_output([sys.executable, "-c", _CHURN.format(first=first)]))


def test_blocks_that_come_again_are_not_new_pages_each_time() -> None:
    assert _page_faults("keep_freed_memory()") < _PAGES_OF_ONE_ROUND
    assert _page_faults("") > 2 * _PAGES_OF_ONE_ROUND  # else the test shows nothing
