"""Find the differences between this workspace and its last run, or another revision, with DVC."""

import hashlib
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from scripts.stage_deps import is_code
from scripts.workspace import ROOT, dvc, git, parse_text, read_file
from ser.core.errors import UserError
from ser.core.figures import Figures, OverallFigures


def dvc_json(*arguments: str) -> dict[str, Any]:
    """Return the JSON output of a DVC command.

    Raises:
        UserError: DVC fails.
    """
    done = dvc(ROOT, *arguments, "--json", capture_output=True)
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or ["no reason given"])[0]
        raise UserError(f"dvc {' '.join(arguments)}: {reason}")
    found: dict[str, Any] = json.loads(done.stdout or "{}")
    return found


def changes_since_run() -> dict[str, list[str]]:
    """Find changes since the stages ran: with any, the files here do not belong to one run.

    Returns:
        stage -> sections of params, files and "its code"; missing files are left out.
    """
    found = {
        stage: list(dict.fromkeys(_changed(changes)))
        for stage, changes in sorted(dvc_json("status").items())
    }
    return {stage: names for stage, names in found.items() if names}


def _changed(changes: Sequence[Any]) -> Iterator[str]:
    for change in changes:
        if not isinstance(change, dict):
            yield str(change)  # such as: changed command
            continue
        for named in change.values():
            for name, state in named.items():
                if isinstance(state, dict):  # params.yaml -> its sections
                    yield from (f"{section} of {name}" for section in state)
                elif state in ("modified", "new"):
                    yield "its code" if is_code(name) else name


def matches_last_run(path: str) -> bool:
    """Return whether a file is the one that a stage of the last run wrote."""
    lock = read_file(ROOT, "dvc.lock", YAML(typ="safe").load)
    written = {
        out["path"]: out["md5"]
        for stage in lock["stages"].values()
        for out in stage.get("outs", [])
    }
    content = (ROOT / path).read_bytes()
    return written.get(path) == hashlib.md5(content, usedforsecurity=False).hexdigest()


def compare_with(base: str, needed: Sequence[str], figures: Figures) -> dict[str, Any]:
    """Compare this workspace with another revision.

    Args:
        base: the revision.
        needed: names of the files in metrics/ to compare.
        figures: of this workspace.

    Returns:
        name and commit of the revision; headline: accuracy, UAR and F1, old and new, with their
        intervals if any; metrics and params: all that differ; missing: the needed files that the
        revision does not have.

    Raises:
        UserError: there is no such revision, or its metrics/evaluate.json is damaged.
    """
    if base.startswith("-"):
        raise UserError(f"BASE={base}: not the name of a git revision")
    try:
        commit = git(ROOT, "rev-parse", "--verify", "--short", f"{base}^{{commit}}").strip()
    except UserError:
        raise UserError(f"BASE={base}: git has no such revision") from None
    missing = [name for name in needed if not _has(base, f"metrics/{name}.json")]
    changes = [
        {"file": Path(file).stem, "name": name, "diff": None, **change}
        for file, names in sorted(dvc_json("metrics", "diff", base).items())
        for name, change in names.items()
    ]
    # The figures of the test clips come first, deeply nested names last.
    changes.sort(key=lambda c: (c["file"] != "evaluate", c["name"].count("."), c["name"]))
    params = dvc_json("params", "diff", base).get("params.yaml", {})
    return {
        # A full commit id is too long to read.
        "name": commit if len(base) > 30 else base,
        "commit": commit,
        "headline": [] if "evaluate" in missing else _headline(_figures_at(base), figures),
        "metrics": changes,
        "params": dict(sorted(params.items())),
        "missing": missing,
    }


def _figures_at(revision: str) -> OverallFigures:
    file = "metrics/evaluate.json"
    name = f"{revision}:{file}"
    figures: OverallFigures = parse_text(git(ROOT, "show", name), name, OverallFigures.from_json)
    return figures


def _headline(old: OverallFigures, new: OverallFigures) -> list[dict[str, Any]]:
    columns = ("name", "old", "old_interval", "new", "new_interval")
    rows = (
        ("accuracy", old.accuracy, old.accuracy_interval, new.accuracy, new.accuracy_interval),
        ("UAR", old.uar, old.uar_interval, new.uar, new.uar_interval),
        ("macro F1", old.f1_macro, None, new.f1_macro, None),
    )
    return [dict(zip(columns, row, strict=True)) for row in rows]


def _has(base: str, path: str) -> bool:
    return bool(git(ROOT, "ls-tree", "--name-only", base, "--", path))
