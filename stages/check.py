"""Check every setting, before another stage removes its former results."""

from pathlib import Path

from ser.core import params
from ser.core.encoders import encoder_columns
from ser.core.extras import package_versions
from ser.core.feature_table import require_table
from ser.core.kinds import packages_of
from stages import run_stage


def main(valid: Path) -> None:
    """Write a file that is always the same, so that no other stage runs because of this one.

    Raises:
        UserError: params.yaml is not valid, or what it needs is missing: a package, a table, an
            encoder.
    """
    features = params.load().features
    package_versions(packages_of(features.kinds), features.named)
    if features.encoder:
        encoder_columns(features)
    if features.table:
        require_table(Path(features.table))
    valid.write_text("params.yaml is valid\n", encoding="utf-8")


if __name__ == "__main__":
    run_stage(main, "Nothing was run, and nothing was removed.")
