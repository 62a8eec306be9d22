"""One HTML file about the last run: `make report`, and `make report BASE=main` to compare.

It holds everything that it shows: pictures, styles, nothing from elsewhere. The same commit and
data give the same bytes.
"""

import argparse
import base64
import json
import subprocess
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from ruamel.yaml import YAML
from scipy.stats import binomtest

from scripts import readme
from scripts.readme import interval, load_metrics, percent
from scripts.workspace import ROOT
from ser.description import versions
from ser.errors import UserError

REPORT = ROOT / "report.html"
_TEMPLATE = "report.html.jinja"
_NEEDED = ("pull", "clean", "dataset", "split", "train", "evaluate")
# What is drawn -> what is to be seen there.
PICTURES = {
    "waveforms": "One clip per emotion",
    "mel_spectrograms": "Mel spectrogram of one clip per emotion",
    "spectrogram_gallery": "Mel spectrograms by emotion and speaker",
    "durations": "How long the clips are",
    "durations_by_emotion": "How long the clips of each emotion are",
    "levels_by_emotion": "How loud the clips of each emotion are",
    "clips_by_speaker": "How many clips each speaker has",
}
RESULTS = {
    "history": "Loss and accuracy, epoch by epoch",
    "confusion": "What the test clips were taken for",
    "reliability": "How far the probabilities can be believed",
}


def git(*arguments: str) -> str:
    """Ask git.

    Raises:
        UserError: git refuses.
    """
    try:
        done = subprocess.run(
            ["git", *arguments], cwd=ROOT, check=True, capture_output=True, text=True
        )
    except (subprocess.CalledProcessError, FileNotFoundError) as error:
        reason = getattr(error, "stderr", "") or str(error)
        raise UserError(f"git {' '.join(arguments)}: {reason.strip()}") from None
    return done.stdout.strip()


def dvc_diff(kind: str, base: str) -> dict[str, dict[str, Any]]:
    """Ask DVC what differs: kind is metrics or params; gives file -> name -> old, new, diff.

    Raises:
        UserError: DVC refuses.
    """
    done = subprocess.run(
        [sys.executable, "-m", "dvc", kind, "diff", base, "--json"],
        cwd=ROOT, capture_output=True, text=True,
    )  # fmt: skip
    if done.returncode:
        raise UserError(f"dvc {kind} diff {base}: {done.stderr.strip().splitlines()[0]}")
    found: dict[str, dict[str, Any]] = json.loads(done.stdout or "{}")
    return found


def compare(base: str) -> dict[str, Any]:
    """Say what differs from another revision.

    Raises:
        UserError: there is no such revision.
    """
    if base.startswith("-"):
        raise UserError(f"BASE={base}: no name of a git revision")
    try:
        commit = git("rev-parse", "--verify", "--short", f"{base}^{{commit}}")
    except UserError:
        raise UserError(f"BASE={base}: git knows no such revision") from None
    changes = [
        {"file": Path(file).stem, "name": name, "diff": None, **change}
        for file, names in sorted(dvc_diff("metrics", base).items())
        for name, change in names.items()
    ]
    # The headline's figures first, last what only tells where the data is from.
    changes.sort(key=lambda c: (c["file"] != "evaluate", c["name"].count("."), c["name"]))
    return {
        "name": base,
        "commit": commit,
        "metrics": changes,
        "params": dict(sorted(dvc_diff("params", base).get("params.yaml", {}).items())),
        "missing": [name for name in _NEEDED if not _at(base, f"metrics/{name}.json")],
    }


def _at(base: str, path: str) -> bool:
    """Whether a revision has a file."""
    return bool(git("ls-tree", "--name-only", base, "--", path))


def picture(name: str) -> str:
    """Give a picture as a data URI; empty if there is none."""
    path = ROOT / f"plots/{name}.png"
    if not path.exists():
        return ""
    return "data:image/png;base64," + base64.b64encode(path.read_bytes()).decode()


def speakers(per_speaker: dict[str, dict[str, float]]) -> list[dict[str, Any]]:
    """Give each speaker's accuracy with its 95 % interval (Wilson, 1927)."""
    rows = []
    for name, figures in per_speaker.items():
        n = int(figures["n"])
        found = binomtest(round(figures["accuracy"] * n), n).proportion_ci(method="wilson")
        rows.append(
            {
                "name": name,
                "n": n,
                "share": figures["accuracy"],
                "low": found.low,
                "high": found.high,
            }
        )
    return rows


def flat_params() -> dict[str, str]:
    """Give params.yaml as section.key -> value as JSON has it."""
    found: dict[str, str] = {}

    def walk(prefix: str, values: dict[str, Any]) -> None:
        for key, value in values.items():
            name = f"{prefix}.{key}" if prefix else str(key)
            if isinstance(value, dict) and value:
                walk(name, value)
            else:
                found[name] = json.dumps(value, ensure_ascii=False)

    walk("", YAML(typ="safe").load(ROOT / "params.yaml"))
    return found


def gather(base: str | None) -> dict[str, Any]:
    """Collect all that the page shows.

    Raises:
        UserError: there are no figures yet, or there is no such revision.
    """
    if missing := [name for name in _NEEDED if not (ROOT / f"metrics/{name}.json").exists()]:
        raise UserError(
            f"no metrics/{missing[0]}.json: there is nothing to report before `dvc repro`"
        )
    evaluated = load_metrics("evaluate")
    mistakes = ROOT / "data/mistakes.csv"
    return {
        "commit": git("rev-parse", "--short", "HEAD"),
        "changed": bool(git("status", "--porcelain", "--untracked-files=no")),
        "e": evaluated,
        "clean": load_metrics("clean"),
        "split": load_metrics("split"),
        "train": load_metrics("train"),
        "corpus": readme.dataset(),
        "sources": load_metrics("pull"),
        "speakers": speakers(evaluated["per_speaker"]),
        "pictures": {picture(name): text for name, text in PICTURES.items() if picture(name)},
        "results": {picture(name): text for name, text in RESULTS.items() if picture(name)},
        "mistakes": readme.rows_of("data/mistakes.csv") if mistakes.exists() else None,
        "params": flat_params(),
        "versions": versions() | {name: metadata.version(name) for name in ("dvc", "scikit-learn")},
        "base": compare(base) if base else None,
    }


def main(base: str | None) -> None:
    """Write report.html."""
    # Names of speakers, files and emotions are somebody's data: escaped.
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"percent": percent, "interval": interval}
    page = environment.get_template(_TEMPLATE).render(gather(base))
    REPORT.write_text(page, encoding="utf-8")
    print(f"{REPORT.relative_to(ROOT)}: {REPORT.stat().st_size / 1e6:.1f} MB, opens in any browser")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m scripts.report", description=__doc__)
    parser.add_argument("--base", help="a git revision to compare with")
    try:
        main(parser.parse_args().base)
    except UserError as error:
        sys.exit(f"error: {error}")
