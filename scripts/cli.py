"""Run the scripts' main functions and report errors."""

import sys
from collections.abc import Callable

from ser.core.errors import UserError

RESUMES = "the same command continues from here"


def run_script(main: Callable[[], None], interrupted: str = "") -> None:
    """Call `main`; end with status 1 and a sentence on a user's error or Ctrl-C.

    Args:
        main: may raise UserError.
        interrupted: the message on Ctrl-C, such as how to continue.
    """
    try:
        main()
    except UserError as error:
        sys.exit(f"error: {error}")
    except KeyboardInterrupt:
        sys.exit(f"interrupted: {interrupted}" if interrupted else "interrupted")
