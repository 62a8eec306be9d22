import os
import signal
import subprocess
import sys
import threading

import numpy as np
import pytest
import soundfile

from ser.core.uninterrupted import uninterrupted

# Ctrl-C at many moments of decoding. Python itself loses a few, so it is pressed until it works.
INTERRUPTED = """
import os, random, signal, sys, threading
from pathlib import Path
from ser.decoding.decoding import decode

def press():
    while not ended.wait(random.uniform(0, 0.02)):
        os.kill(os.getpid(), signal.SIGINT)

random.seed(0)
path = Path(sys.argv[1])
for _ in range(200):
    ended = threading.Event()
    thread = threading.Thread(target=press)
    try:
        try:
            thread.start()
            while True:
                decode(path)
        finally:
            ended.set()
            thread.join()
    except KeyboardInterrupt:
        pass
"""


@pytest.mark.parametrize("suffix", ["wav", "flac", "ogg"])
def test_an_interruption_does_not_make_a_file_seem_damaged(tmp_path, suffix):
    noise = np.random.default_rng(0).uniform(-0.5, 0.5, 48000).astype(np.float32)
    path = tmp_path / f"noise.{suffix}"
    soundfile.write(path, noise, 16000)
    command = [sys.executable, "-c", INTERRUPTED, path]
    done = subprocess.run(
        command,
        capture_output=True,
        timeout=120,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    assert done.returncode == 0, done.stderr
    assert "cffi callback" not in done.stderr


@pytest.fixture
def interruptible():
    """Let Ctrl-C raise KeyboardInterrupt, also in a shell's background job, which ignores it."""
    former = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, former)


@pytest.mark.usefixtures("interruptible")
def test_a_signal_comes_at_the_end_of_the_block():
    steps = []

    def work():
        with uninterrupted():
            os.kill(os.getpid(), signal.SIGINT)
            steps.append("went on")

    with pytest.raises(KeyboardInterrupt):
        work()
    assert steps == ["went on"]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_an_error_within_the_block_stays_what_it_is():
    with pytest.raises(ValueError, match="own"), uninterrupted():
        raise ValueError("own")


def test_another_thread_has_no_signals_to_hold_back():
    done = []

    def work():
        with uninterrupted():
            done.append(True)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert done == [True]
