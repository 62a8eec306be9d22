"""One HTML file about the last run: `make report`, and `make report BASE=main` to compare.

It holds everything that it shows: pictures, styles, nothing from elsewhere. The same commit and
data give the same bytes.
"""

import argparse
import base64
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pandas as pd
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from ruamel.yaml import YAML
from scipy.stats import binomtest

from scripts import cli, differences, tables
from scripts.explanations import explain_predictions
from scripts.tables import interval, load_figures, load_metrics, percent
from scripts.workspace import ROOT, git, read
from ser.core.errors import UserError
from ser.core.figures import SpeakerFigures
from ser.core.tables import read_csv
from ser.nets.description import versions

REPORT = ROOT / "report.html"
_TEMPLATE = "report.html.jinja"
_NEEDED = ("pull", "clean", "dataset", "split", "train", "evaluate")
_LOOKED_AT = 6  # mistakes of which a picture is drawn
_MISTAKE = ("clip", "speaker", "emotion", "predicted", "confidence")
_CONFUSION = ("actual", "predicted")
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


def picture(name: str) -> str:
    """Return a picture as a data URI; an empty text if there is none."""
    path = ROOT / f"plots/{name}.png"
    return _as_uri(path) if path.exists() else ""


def _as_uri(path: Path) -> str:
    return "data:image/png;base64," + base64.b64encode(path.read_bytes()).decode()


def speakers(per_speaker: Mapping[str, SpeakerFigures]) -> list[dict[str, Any]]:
    """Compute the 95 % interval (Wilson, 1927) of each speaker's accuracy.

    Returns:
        name, n (test clips), share, low and high (0..1) of each.
    """
    rows = []
    for name, figures in per_speaker.items():
        hits = round(figures.accuracy * figures.n)
        found = binomtest(hits, figures.n).proportion_ci(method="wilson")
        rows.append(
            {
                "name": name,
                "n": figures.n,
                "share": figures.accuracy,
                "low": found.low,
                "high": found.high,
            }
        )
    return rows


def flat_params() -> dict[str, str]:
    """Read params.yaml as section.key -> value as JSON has it."""
    found: dict[str, str] = {}

    def walk(prefix: str, values: dict[str, Any]) -> None:
        for key, value in values.items():
            name = f"{prefix}.{key}" if prefix else str(key)
            if isinstance(value, dict) and value:
                walk(name, value)
            else:
                found[name] = json.dumps(value, ensure_ascii=False)

    walk("", read(ROOT, "params.yaml", YAML(typ="safe").load) or {})
    return found


def confusion(emotions: Sequence[str]) -> list[list[int]]:
    """Count what the test clips of each emotion (rows) were taken for (columns)."""
    pairs = [(row["actual"], row["predicted"]) for row in _rows("plots/confusion.csv", _CONFUSION)]
    counts = Counter(pairs)
    return [[counts[actual, predicted] for predicted in emotions] for actual in emotions]


def mistakes() -> list[dict[str, Any]] | str:
    """Read the most confident mistakes, or return why they are not known."""
    path = "data/mistakes.csv"
    if not (ROOT / path).exists():
        return "is not here (`dvc repro` makes it, `dvc pull` fetches it)"
    if not differences.is_of_the_run(path):
        return "is of another run (`dvc checkout` fetches that of this one)"
    rows = _rows(path, _MISTAKE)
    try:
        return [{**row, "confidence": float(row["confidence"])} for row in rows]
    except ValueError as error:
        raise UserError(f"{path} is damaged ({error}): `dvc checkout` fetches it anew") from None


def looks(listed: list[dict[str, Any]]) -> dict[str, str] | str:
    """Draw where the model looked in the first mistakes, or return why that is not known.

    Args:
        listed: as `mistakes` returns them.

    Returns:
        picture as a data URI -> what is to be seen there.
    """
    data = ROOT / "data"
    try:
        predictions = read_csv(data / "predictions.csv")
        keys = ["clip", "predicted"]
        chosen = pd.DataFrame(listed[:_LOOKED_AT], columns=keys).merge(predictions, on=keys)
        with TemporaryDirectory() as folder:
            path = Path(folder, "picture.png")
            drawn = {}
            for one in explain_predictions(data, chosen):
                one.draw(path)
                drawn[_as_uri(path)] = one.clip + one.title
            return drawn
    except (UserError, LookupError) as error:
        return str(error)


def _rows(path: str, columns: Sequence[str]) -> list[dict[str, str]]:
    rows = tables.rows_of(path)
    if rows and not set(columns) <= set(rows[0]):
        raise UserError(
            f"{path} has the columns {', '.join(rows[0])}, expected are {', '.join(columns)}: "
            "`dvc repro` makes it anew"
        )
    return rows


def versions_of_the_model() -> tuple[dict[str, str], str]:
    """Return the versions that trained the model, where it is here, and whose they are."""
    described = "data/model/model.json"
    if (ROOT / described).exists():
        return read(ROOT, described, json.loads).get("versions", {}), "that trained the model"
    ours = versions() | {name: metadata.version(name) for name in ("dvc", "scikit-learn")}
    return ours, "of the environment that wrote this page; the model is not here"


def gather(base: str | None) -> dict[str, Any]:
    """Collect all that the page shows.

    Raises:
        UserError: there are no figures yet, a file is damaged, or there is no such revision.
    """
    if missing := [name for name in _NEEDED if not (ROOT / f"metrics/{name}.json").exists()]:
        raise UserError(
            f"no metrics/{missing[0]}.json: there is nothing to report before `dvc repro`"
        )
    figures = load_figures()
    confusions = confusion(list(figures.per_class))
    if sum(map(sum, confusions)) != figures.n_test:
        raise UserError(
            f"plots/confusion.csv is not of the {figures.n_test} test clips of "
            "metrics/evaluate.json: `dvc repro evaluate` makes both anew"
        )
    named, whose = versions_of_the_model()
    listed = mistakes()
    return {
        "commit": git(ROOT, "rev-parse", "--short", "HEAD").strip(),
        "uncommitted": bool(git(ROOT, "status", "--porcelain", "--untracked-files=no")),
        "changed": differences.since_the_run(),
        "e": figures,
        "clean": load_metrics("clean"),
        "split": load_metrics("split"),
        "train": load_metrics("train"),
        "corpus": tables.dataset(),
        "sources": load_metrics("pull"),
        "speakers": speakers(figures.per_speaker),
        "confusion": confusions,
        "pictures": {data: text for name, text in PICTURES.items() if (data := picture(name))},
        "results": {data: text for name, text in RESULTS.items() if (data := picture(name))},
        "mistakes": listed,
        "looks": {} if isinstance(listed, str) else looks(listed),
        "params": flat_params(),
        "versions": named,
        "versions_of": whose,
        "base": differences.against(base, _NEEDED, figures) if base else None,
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
    parser.add_argument("--base", default="", help="a git revision to compare with")
    arguments = parser.parse_args()
    cli.run(lambda: main(arguments.base))
