"""What all tests share."""

import os

from scripts.workspace import ROOT

# librosa's compiled functions are cached on disk, and two processes that fill one cache at the same
# time damage it: each test process has a cache of its own, and so have the programs it starts.
_WORKER = os.environ.get("PYTEST_XDIST_WORKER", "alone")
os.environ["NUMBA_CACHE_DIR"] = str(ROOT / ".pytest_cache" / f"numba-{_WORKER}")
