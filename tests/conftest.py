"""What all tests share."""

import os

import pytest
import torch

from scripts.workspace import ROOT

# librosa's compiled functions are cached on disk, and two processes that fill one cache at the same
# time damage it: each test process has a cache of its own, and so have the programs it starts.
_WORKER = os.environ.get("PYTEST_XDIST_WORKER", "alone")
os.environ["NUMBA_CACHE_DIR"] = str(ROOT / ".pytest_cache" / f"numba-{_WORKER}")


@pytest.fixture(scope="module")
def one_thread():
    """Nets this small are slower on several threads, by far on a busy machine."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)
