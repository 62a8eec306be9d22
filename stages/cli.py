"""What every stage's command line does alike."""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

from ser.errors import UserError


def run(main: Callable[..., None], *names: str) -> None:
    """Call `main` with the paths of the command line, one per name.

    A `UserError` ends the stage with its text and status 1. DVC has removed the stage's former
    outputs by then, so the text says how to get them back.
    """
    parser = argparse.ArgumentParser(
        prog=f"python -m {main.__module__}", description=sys.modules["__main__"].__doc__
    )
    for name in names:
        parser.add_argument(name, type=Path)
    paths = vars(parser.parse_args())
    try:
        main(**paths)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        print(
            "(outputs of an earlier run come back with: git checkout -- metrics plots dvc.lock "
            "&& dvc checkout --force)",
            file=sys.stderr,
        )
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit("interrupted: `dvc repro` goes on from here")
