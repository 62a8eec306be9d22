"""How the command lines of the scripts end."""

import sys
from collections.abc import Callable

from ser.core.errors import UserError

RESUMES = "the same command goes on from here"


def run(main: Callable[[], None], interrupted: str = "") -> None:
    """Call `main`; end with status 1 and a sentence where it cannot go on.

    Args:
        main: may raise UserError.
        interrupted: what to say on Ctrl-C, such as how to go on.
    """
    try:
        main()
    except UserError as error:
        sys.exit(f"error: {error}")
    except KeyboardInterrupt:
        sys.exit(f"interrupted: {interrupted}" if interrupted else "interrupted")
