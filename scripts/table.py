"""Print the experiments of the current commit: their figures, and the params that differ."""

import json
from collections.abc import Sequence
from typing import Any

from scripts import cli, experiments
from scripts.tables import interval, percent
from scripts.workspace import ROOT, git
from ser.core.errors import UserError
from ser.core.yaml_reader import read_yaml

_HEAD = ("experiment", "accuracy", "95 % interval", "UAR", "training time", "changed params")
_NONE = "-"


def read_row(name: str, revision: str, base: dict[str, Any]) -> tuple[str, ...]:
    """Read a row of the table from git.

    Args:
        name: of the experiment.
        revision: its commit.
        base: the params to compare with, flat.
    """
    values = dict(experiments.flatten(_params_at(revision)))
    changed = [
        f"{key}={json.dumps(value, ensure_ascii=False)}"
        for key, value in values.items()
        if base.get(key) != value
    ]
    return (name, *_figures_at(revision), ", ".join(changed) or _NONE)


def _figures_at(revision: str) -> tuple[str, str, str, str]:
    seconds = experiments.read_seconds().get(git(ROOT, "rev-parse", revision).strip())
    training = _NONE if seconds is None else f"{seconds:.0f} s"
    try:
        stages = read_yaml(git(ROOT, "show", f"{revision}:dvc.lock"), "dvc.lock")["stages"]
        figures = json.loads(git(ROOT, "show", f"{revision}:metrics/headline.json"))
    except UserError:  # not run yet, or of a version without these files
        return (_NONE, _NONE, _NONE, training)
    if not _evaluated(stages):
        return (_NONE, _NONE, _NONE, training)
    low_high = (figures["accuracy_low"], figures["accuracy_high"])
    return percent(figures["accuracy"]), interval(low_high), percent(figures["uar"]), training


def _evaluated(stages: dict[str, Any]) -> bool:
    """Return whether the figures are of this training, or of one before: a trial stops at train."""
    trained, tested = (
        {entry["path"]: entry["md5"] for entry in stages.get(stage, {}).get(entries, ())}
        for stage, entries in (("train", "outs"), ("evaluate", "deps"))
    )
    return trained.get("data/trained") == tested.get("data/trained")


def _params_at(revision: str) -> dict[str, Any]:
    values: dict[str, Any] = read_yaml(git(ROOT, "show", f"{revision}:params.yaml"), revision)
    return values


def aligned(rows: Sequence[Sequence[str]]) -> str:
    """Align cells in columns, two spaces apart.

    >>> print(aligned([("name", "n"), ("a", "10")]))
    name  n
    a     10
    """
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = (
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        for row in rows
    )
    return "\n".join(line.rstrip() for line in lines)


def main() -> None:
    """Print the commit itself, then its experiments, the most accurate one first."""
    base = dict(experiments.flatten(_params_at("HEAD")))
    rows = [
        read_row(name, experiments.reference(name), base) for name in experiments.stored_names()
    ]
    rows.sort(key=lambda row: (row[1] == _NONE, -float(row[1].split()[0].replace(_NONE, "0"))))
    commit = read_row("(this commit)", "HEAD", base)
    print(aligned([_HEAD, commit, *rows]))


if __name__ == "__main__":
    cli.run_script(main)
