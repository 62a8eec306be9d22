"""Write an HTML report on the last run: `make report`, or `make report BASE=main` to compare.

The file is self-contained: pictures, sounds and styles are embedded.
"""

import argparse
from datetime import UTC, datetime

from scripts import cli
from scripts.report import page

if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m scripts.report", description=__doc__)
    parser.add_argument(
        "--base",
        default="",
        help="a git revision, or an experiment of this commit, to compare with",
    )
    arguments = parser.parse_args()
    cli.run_script(lambda: page.main(arguments.base, datetime.now(UTC)))
