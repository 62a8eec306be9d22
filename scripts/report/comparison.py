"""Compare this workspace with another revision: params, figures, and the same test clips."""

import io
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pandas as pd

from scripts.experiments import flatten
from scripts.paired import Paired, compare_predictions
from scripts.report.last_run import require_output
from scripts.report.revisions import Revision
from scripts.tables import load_metrics
from scripts.workspace import ROOT, dvc_json, parse_text
from ser.core.errors import UserError
from ser.core.figures import Figures, OverallFigures
from ser.core.tables import parse_report, read_csv

_PREDICTIONS = "data/predictions.csv"


def compare_with(base: Revision, needed: Sequence[str], figures: Figures) -> dict[str, Any]:
    """Compare this workspace with another revision.

    Args:
        base: the revision.
        needed: names of the files in metrics/ to compare.
        figures: of this workspace.

    Returns:
        name, commit and date of the revision; headline: accuracy, UAR and F1, old and new, with
        their intervals if any; paired: the comparison clip by clip, or why there is none; metrics
        and params: all that differ; missing: what the revision lacks.

    Raises:
        UserError: the revision's metrics/evaluate.json is damaged.
    """
    there = [name for name in needed if base.files.exists(_file(name))]
    missing = [f"{base.name} has no {_file(name)}" for name in needed if name not in there]
    changes = [change for name in there for change in _changes(name, base)]
    # The figures of the test clips come first, deeply nested names last.
    changes.sort(key=lambda c: (c["file"] != "evaluate", c["name"].count("."), c["name"]))
    params = dvc_json(ROOT, "params", "diff", base.commit).get("params.yaml", {})
    headline = []
    if "evaluate" in there:
        headline = _headline(_read(base, "evaluate", OverallFigures.from_json), figures)
    return {
        "name": base.name,
        "commit": base.commit,
        "date": base.date,
        "headline": headline,
        "paired": _paired_with(base),
        "metrics": changes,
        "params": dict(sorted(params.items())),
        "missing": missing,
    }


def _changes(name: str, base: Revision) -> Iterator[dict[str, Any]]:
    """Yield the figures of metrics/<name>.json that differ; those that one side lacks are None."""
    old = dict(flatten(_read(base, name, parse_report)))
    new = dict(flatten(load_metrics(name)))
    for key in {**new, **old}:
        was, now = old.get(key), new.get(key)
        if was != now:
            diff = None
            if isinstance(was, int | float) and isinstance(now, int | float):
                diff = now - was
            yield {"file": name, "name": key, "old": was, "new": now, "diff": diff}


def _file(name: str) -> str:
    return f"metrics/{name}.json"


def _read(base: Revision, name: str, parse: Callable[[str], Any]) -> Any:  # noqa: ANN401
    text = base.read(_file(name)).decode("utf-8", "replace")
    return parse_text(text, f"{base.name}:{_file(name)}", parse)


def _headline(old: OverallFigures, new: OverallFigures) -> list[dict[str, Any]]:
    columns = ("name", "old", "old_interval", "new", "new_interval")
    rows = (
        ("accuracy", old.accuracy, old.accuracy_interval, new.accuracy, new.accuracy_interval),
        ("UAR", old.uar, old.uar_interval, new.uar, new.uar_interval),
        ("macro F1", old.f1_macro, None, new.f1_macro, None),
    )
    return [dict(zip(columns, row, strict=True)) for row in rows]


def _paired_with(base: Revision) -> Paired | str:
    """Compare the predictions clip by clip, or return why that is not possible."""
    try:
        require_output(_PREDICTIONS)
        old = pd.read_csv(io.BytesIO(base.read(_PREDICTIONS)), dtype=str, keep_default_na=False)
        return compare_predictions(old, read_csv(ROOT / _PREDICTIONS))
    except (UserError, ValueError) as error:
        return str(error)
