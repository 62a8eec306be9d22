"""The stages of dvc.yaml, scripts run as `python -m stages.<name>`, and their command line."""

import argparse
import inspect
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

from ser.core.errors import UserError

_COMES_BACK = (
    "Nothing is lost. Correct this, or undo the change, and run `dvc repro`: it restores from "
    "DVC's cache what it has computed before."
)
_IN_WORKSPACE = "(If `dvc exp run -S` has set a value, it is still in params.yaml.)"

# Threads of OpenMP, such as torch's, sleep while they wait for each other. On a machine with other
# work to do, they would otherwise use several times the processor time of the work itself. Results
# are the same. It must be set before they are loaded.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

# While Python looks for the module of `python -m`, the program's name is "-m". From here on, before
# a stage imports what takes seconds, it ends with a sentence.
if sys.argv[:1] == ["-m"]:
    for _signal in (signal.SIGINT, signal.SIGTERM):
        signal.signal(_signal, lambda *_: sys.exit("interrupted: `dvc repro` continues from here"))


def _fail(text: str, what_next: str) -> NoReturn:
    """End the stage with status 1 and a message: what is wrong and what to do."""
    # Of several processes that train one net together, only the first of each machine prints.
    if os.environ.get("LOCAL_RANK", "0") != "0":
        sys.exit(1)
    # An experiment in a separate folder, within .dvc, does not change the workspace.
    advice = [what_next] if ".dvc" in Path.cwd().parts else [what_next, _IN_WORKSPACE]
    sys.exit("\n".join([f"error: {text}", *advice]))


def run_stage(main: Callable[..., None], what_next: str = _COMES_BACK) -> None:
    """Call `main` with the paths of the command line, one for each of its parameters.

    A `UserError`, or a file that cannot be read or written, ends the stage with a message and
    status 1. DVC has already removed the stage's former outputs, so the message says how they come
    back.

    Args:
        main: takes paths.
        what_next: what the message says after the error.
    """
    parser = argparse.ArgumentParser(
        prog=f"python -m stages.{Path(sys.argv[0]).stem}",
        description=sys.modules["__main__"].__doc__,
    )
    for name in inspect.signature(main).parameters:
        parser.add_argument(name, type=Path)
    paths = vars(parser.parse_args())
    try:
        main(**paths)
    except UserError as error:
        _fail(str(error), what_next)
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        _fail(f"{where}{error.strerror or error}", what_next)
