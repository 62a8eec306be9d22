"""Check every setting, before another stage removes its former results."""

from pathlib import Path

from ser.core import params
from ser.core.extras import package_versions
from ser.core.kinds import packages_of
from stages import run_stage


def main(valid: Path) -> None:
    """Write a file that is always the same, so that no other stage runs because of this one.

    Raises:
        UserError: params.yaml is not valid, or a package that it needs is not installed.
    """
    features = params.load().features
    package_versions(packages_of(features.kinds), features.named)
    valid.write_text("params.yaml is valid\n", encoding="utf-8")


if __name__ == "__main__":
    run_stage(main, "Nothing was run, and nothing was removed.")
