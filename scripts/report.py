"""Write an HTML report on the last run: `make report`, or `make report BASE=main` to compare.

The file is self-contained: pictures and styles are embedded. The same commit and data give the same
bytes.
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
from scripts.workspace import ROOT, git, read_file
from ser.core.errors import UserError
from ser.core.figures import SpeakerFigures
from ser.core.tables import read_csv
from ser.nets.description import versions

REPORT = ROOT / "report.html"
_TEMPLATE = "report.html.jinja"
_NEEDED = ("pull", "clean", "dataset", "split", "train", "evaluate")
_PICTURED_MISTAKES = 6
_MISTAKE = ("clip", "speaker", "emotion", "predicted", "confidence")
_CONFUSION = ("actual", "predicted")
# Name of the picture -> caption.
PICTURES = {
    "waveforms": "One clip per emotion",
    "mel_spectrograms": "Mel spectrogram of one clip per emotion",
    "spectrogram_gallery": "Mel spectrograms by emotion and speaker",
    "durations": "Durations of the clips",
    "durations_by_emotion": "Durations of the clips by emotion",
    "levels_by_emotion": "Levels of the clips by emotion",
    "clips_by_speaker": "Number of clips by speaker",
}
RESULTS = {
    "history": "Loss and accuracy by epoch",
    "confusion": "Confusion matrix of the test clips",
    "reliability": "Reliability of the probabilities",
}


def picture(name: str) -> str:
    """Return a picture as a data URI, or an empty text if it does not exist."""
    path = ROOT / f"plots/{name}.png"
    return _as_uri(path) if path.exists() else ""


def _as_uri(path: Path) -> str:
    return "data:image/png;base64," + base64.b64encode(path.read_bytes()).decode()


def speakers(per_speaker: Mapping[str, SpeakerFigures]) -> list[dict[str, Any]]:
    """Compute the 95 % interval (Wilson, 1927) of each speaker's accuracy.

    Returns:
        For each speaker: name, n (number of test clips), share, low and high (0..1).
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
    """Read params.yaml as section.key -> value in JSON."""
    found: dict[str, str] = {}

    def walk(prefix: str, values: dict[str, Any]) -> None:
        for key, value in values.items():
            name = f"{prefix}.{key}" if prefix else str(key)
            if isinstance(value, dict) and value:
                walk(name, value)
            else:
                found[name] = json.dumps(value, ensure_ascii=False)

    walk("", read_file(ROOT, "params.yaml", YAML(typ="safe").load) or {})
    return found


def confusion(emotions: Sequence[str]) -> list[list[int]]:
    """Count the test clips by actual (rows) and predicted (columns) emotion."""
    pairs = [(row["actual"], row["predicted"]) for row in _rows("plots/confusion.csv", _CONFUSION)]
    counts = Counter(pairs)
    return [[counts[actual, predicted] for predicted in emotions] for actual in emotions]


def mistakes() -> list[dict[str, Any]] | str:
    """Read the most confident mistakes, or return why they are not available."""
    path = "data/mistakes.csv"
    if not (ROOT / path).exists():
        return "is missing (`dvc repro` makes it, `dvc pull` fetches it)"
    if not differences.matches_last_run(path):
        return "is from another run (`dvc checkout` restores this run's)"
    rows = _rows(path, _MISTAKE)
    try:
        return [{**row, "confidence": float(row["confidence"])} for row in rows]
    except ValueError as error:
        raise UserError(f"{path} is damaged ({error}): `dvc checkout` restores it") from None


def draw_explanations(listed: list[dict[str, Any]]) -> dict[str, str] | str:
    """Draw where the model looked in the first mistakes, or return why that is not possible.

    Args:
        listed: as `mistakes` returns them.

    Returns:
        picture as a data URI -> caption.
    """
    data = ROOT / "data"
    try:
        predictions = read_csv(data / "predictions.csv")
        keys = ["clip", "predicted"]
        chosen = pd.DataFrame(listed[:_PICTURED_MISTAKES], columns=keys).merge(predictions, on=keys)
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
            "`dvc repro` writes it again"
        )
    return rows


def versions_of_the_model() -> tuple[dict[str, str], str]:
    """Return the versions that trained the model if it is here, else ours, and which they are."""
    described = "data/model/model.json"
    if (ROOT / described).exists():
        return read_file(ROOT, described, json.loads).get("versions", {}), "that trained the model"
    ours = versions() | {name: metadata.version(name) for name in ("dvc", "scikit-learn")}
    return ours, "of the environment that wrote this page; the model is missing"


def gather(base: str | None) -> dict[str, Any]:
    """Collect everything that the page shows.

    Raises:
        UserError: figures are missing, a file is damaged, or the revision does not exist.
    """
    if missing := [name for name in _NEEDED if not (ROOT / f"metrics/{name}.json").exists()]:
        raise UserError(f"metrics/{missing[0]}.json is missing: run `dvc repro` before the report")
    figures = load_figures()
    confusions = confusion(list(figures.per_class))
    if sum(map(sum, confusions)) != figures.n_test:
        raise UserError(
            f"plots/confusion.csv does not match the {figures.n_test} test clips of "
            "metrics/evaluate.json: `dvc repro evaluate` writes both again"
        )
    named, whose = versions_of_the_model()
    listed = mistakes()
    return {
        "commit": git(ROOT, "rev-parse", "--short", "HEAD").strip(),
        "uncommitted": bool(git(ROOT, "status", "--porcelain", "--untracked-files=no")),
        "changed": differences.changes_since_run(),
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
        "looks": {} if isinstance(listed, str) else draw_explanations(listed),
        "params": flat_params(),
        "versions": named,
        "versions_of": whose,
        "base": differences.compare_with(base, _NEEDED, figures) if base else None,
    }


def main(base: str | None) -> None:
    """Write report.html."""
    # Names of speakers, files and emotions are untrusted data, so they are escaped.
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
    cli.run_script(lambda: main(arguments.base))
