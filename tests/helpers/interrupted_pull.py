"""Run the pull stage and interrupt it."""

import os
import signal
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def interrupted_pull(reached, whole_group, cwd=None, environment=None):
    """Interrupt the stage when an event has come; return what it printed and its group.

    As Ctrl-C does, which signals to the whole group, or as `kill -INT`, which does not.
    """
    process = subprocess.Popen(
        [sys.executable, "-m", "stages.pull", "data/raw", "metrics/pull.json"],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(ROOT), **(environment or {})},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        assert reached.wait(60)
        (os.killpg if whole_group else os.kill)(process.pid, signal.SIGINT)
        output, _ = process.communicate(timeout=10)
    finally:
        process.kill()
    assert process.returncode == 1
    return output, process.pid
