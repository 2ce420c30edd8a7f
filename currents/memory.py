"""Memory that is freed goes back to the system.

Large events make blocks of megabytes that live for a moment. glibc learns from the first ones to keep such blocks for
the next, in an arena for each thread, so a worker grows by a fifth of what it may have and never shrinks again.
"""

import ctypes
from functools import lru_cache
from typing import Final

_M_TRIM_THRESHOLD: Final = -1
_M_MMAP_THRESHOLD: Final = -3
#: Blocks from this size on are the system's, one by one. Pages of ordinary events are made of smaller ones.
_LARGE_BLOCK: Final = 512 * 1024
#: So much of an arena's free end is kept: what a page of ordinary events takes, or each would begin with page faults.
_KEPT: Final = 4 * 1024 * 1024


@lru_cache(maxsize=1)
def give_back_freed() -> None:
    """Have this process give freed memory back, from now on; only glibc can be told and needs to be."""
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):
        return
    mallopt(_M_MMAP_THRESHOLD, _LARGE_BLOCK)
    mallopt(_M_TRIM_THRESHOLD, _KEPT)
