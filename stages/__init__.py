"""The scripts of dvc.yaml, mostly one per stage, run as `python -m stages.<name>`."""

import signal
import sys

# While Python looks for the module of `python -m`, the program's name is "-m". From here on, before
# a stage imports what takes seconds, it ends with a sentence.
if sys.argv[:1] == ["-m"]:
    for _signal in (signal.SIGINT, signal.SIGTERM):
        signal.signal(_signal, lambda *_: sys.exit("interrupted: `dvc repro` continues from here"))
