"""Gather what the page shows, and write it."""

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from scripts import tables
from scripts.paired import ASSUMED
from scripts.report import clip_map, last_run, pictures, sounds
from scripts.report.comparison import compare_with
from scripts.report.revisions import find_revision
from scripts.tables import interval, load_figures, load_metrics, percent, points
from scripts.workspace import ROOT, git
from ser.core.errors import UserError
from ser.core.figures import ABOUT_DIMENSIONS, ABOUT_GAPS, DIMENSION_HEAD, dimension_rows

REPORT = ROOT / "report.html"
_TEMPLATE = "report.html.jinja"
_NEEDED = ("pull", "clean", "dataset", "split", "train", "evaluate")


def gather(base: str, now: datetime) -> dict[str, Any]:
    """Collect everything that the page shows.

    Args:
        base: the revision to compare with, or an empty text.
        now: the time in UTC.

    Raises:
        UserError: figures are missing, a file is damaged, or the revision does not exist.
    """
    if missing := [name for name in _NEEDED if not (ROOT / f"metrics/{name}.json").exists()]:
        raise UserError(f"metrics/{missing[0]}.json is missing: run `dvc repro` before the report")
    figures = load_figures()
    confusions = last_run.count_confusions(list(figures.per_class))
    if sum(map(sum, confusions)) != figures.n_test:
        raise UserError(
            f"plots/confusion.csv does not match the {figures.n_test} test clips of "
            "metrics/evaluate.json: `dvc repro evaluate` writes both again"
        )
    other = find_revision(base) if base else None
    compared = compare_with(other, _NEEDED, figures) if other else None
    listed = last_run.mistakes()
    known = [] if isinstance(listed, str) else listed
    sound, silence = sounds.embed_clips([row["clip"] for row in known])
    named, whose = last_run.versions_of_the_model()
    commit, date = git(ROOT, "show", "--no-patch", "--format=%h %cs", "HEAD").split()
    return {
        "written": f"{now:%Y-%m-%d %H:%M} UTC",
        "branch": git(ROOT, "branch", "--show-current").strip(),
        "commit": commit,
        "date": date,
        "uncommitted": bool(git(ROOT, "status", "--porcelain", "--untracked-files=no")),
        "changed": last_run.changes_since_run(),
        "e": figures,
        "about_gaps": ABOUT_GAPS,
        "about_dimensions": ABOUT_DIMENSIONS,
        "dimension_head": DIMENSION_HEAD,
        "dimensions": dimension_rows(figures.dimensions or {}),
        "dimension_pictures": [pictures.load_dimensions()] if figures.dimensions else [],
        "assumed": ASSUMED,
        "voices": figures.by_voice(last_run.unheard_voices()),
        "clean": load_metrics("clean"),
        "split": load_metrics("split"),
        "train": load_metrics("train"),
        "corpus": tables.dataset(),
        "sources": load_metrics("pull"),
        "speakers": last_run.accuracy_by_speaker(figures.per_speaker),
        "importance": last_run.importance_of_groups(),
        "confusion": confusions,
        "pictures": pictures.load_pictures(pictures.OF_CORPUS, other),
        "results": pictures.load_pictures(pictures.OF_RESULTS, other),
        "map": clip_map.load_map(list(figures.per_class)),
        "map_size": (clip_map.WIDTH, clip_map.HEIGHT),
        "mistakes": listed,
        "sounds": sound,
        "silence": silence,
        "looks": pictures.draw_explanations(known) if known else {},
        "params": _differing_first(last_run.flat_params(), compared["params"] if compared else {}),
        "versions": named,
        "versions_of": whose,
        "base": compared,
    }


def _differing_first(params: dict[str, str], differing: Mapping[str, Any]) -> dict[str, str]:
    return dict(sorted(params.items(), key=lambda entry: entry[0] not in differing))


def main(base: str, now: datetime) -> None:
    """Write report.html.

    Args:
        base: the revision to compare with, or an empty text.
        now: the time in UTC.
    """
    # Names of speakers, files and emotions are untrusted data, so they are escaped.
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"percent": percent, "interval": interval, "points": points}
    page = environment.get_template(_TEMPLATE).render(gather(base, now))
    REPORT.write_text(page, encoding="utf-8")
    print(f"{REPORT.relative_to(ROOT)}: {REPORT.stat().st_size / 1e6:.1f} MB, opens in any browser")
