"""Run the whole workflow on the synthetic corpus in demo/: offline, in a minute or two."""

import os
import shlex
import sys
from pathlib import Path

from scripts import cli, experiments
from scripts.workspace import IDENTITY, ROOT, dvc, git, make_workspace
from ser.core.errors import UserError
from ser.core.figures import read_figures
from ser.core.tables import read_csv

_FOLDER = ROOT / "demo"


def main() -> None:
    """Run the pipeline in demo/, print its accuracy and what to do next.

    Raises:
        UserError: a stage failed.
    """
    make_workspace(_FOLDER, experiments.read_experiment("demo"))
    # Otherwise DVC ends with advice on git, which is not for this folder.
    (_FOLDER / ".dvc/config.local").write_text("[core]\n    autostage = true\n")
    if dvc(_FOLDER, "repro").returncode:
        raise UserError(f"the demo failed: see above; its files are in {_FOLDER}")
    _commit()
    figures = read_figures(_FOLDER / "metrics/evaluate.json")
    dimensions = "".join(
        f"{name.capitalize()}: {own}; MAE of the train mean {own.mean_mae:.2f}.\n"
        for name, own in (figures.dimensions or {}).items()
    )
    print(
        f"\nThe demo is done. {figures.headline} on {figures.n_test} clips of voices that are not "
        f"in training; always saying the commonest emotion: {figures.majority_accuracy:.1%}.\n"
        f"{dimensions}"
        "The speech is synthesised: these figures say nothing about real speech.\n"
        "Metrics are in demo/metrics/, pictures in demo/plots/.\n\nNext:"
    )
    for command, purpose in next_steps():
        print(f"  # {purpose}\n  {command}")


def _commit() -> None:
    """Commit the run to the git repository of demo/, as the report and `dvc exp` need a commit."""
    git(_FOLDER, "add", "--all")
    if git(_FOLDER, "status", "--porcelain"):
        # The user's hooks and keys are for commits of the user.
        own = (*IDENTITY, "-c", "commit.gpgsign=false", "-c", f"core.hooksPath={os.devnull}")
        git(_FOLDER, *own, "commit", "--quiet", "--message", "the demo's run")


def next_steps() -> list[tuple[str, str]]:
    """Return commands that work in the project's folder after the demo, each with its purpose."""
    steps = []
    activate = Path(sys.prefix, "bin/activate")
    if activate.exists() and "VIRTUAL_ENV" not in os.environ:
        path = activate.relative_to(ROOT) if activate.is_relative_to(ROOT) else activate
        steps.append((f"source {shlex.quote(str(path))}", "once in every terminal"))
    clips = read_csv(_FOLDER / "data/clips.csv").set_index("clip")
    tested = read_csv(_FOLDER / "data/predictions.csv")["clip"][0]
    recording = shlex.quote(f"demo/data/raw/{clips.loc[tested, 'path']}")
    return [
        *steps,
        (
            f"ser predict --model demo/data/model {recording}",
            "recognise a recording that was not trained on",
        ),
        (
            "ser serve --model demo/data/model",
            "open a page that recognises your recordings; Ctrl-C ends it",
        ),
        (
            "(cd demo && python -m scripts.report)",
            "write demo/report.html, a page with all figures and pictures of this run",
        ),
        ("dvc repro", "do the same with the real corpus, which is downloaded first"),
    ]


if __name__ == "__main__":
    cli.run_script(main)
