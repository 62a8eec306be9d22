"""Arousal and valence from a labels.csv of one's own to the report, through the real dvc."""

import csv
import json

import pytest
import soundfile
from small_project import SMALL, commit, environment, run

from scripts.workspace import dvc, make_workspace
from ser.core.tables import parse_report, read_csv
from ser.sources import demo
from ser.use.loading import load

CHANGES = SMALL | {
    "pull": {"corpora": ["own"], "sources": {"own": "path:recordings"}},
    "model": {"width": 16, "epochs": 8, "dimension_weight": 1.0},
}


def put_recordings(folder):
    """Write synthesised clips of two emotions, and a table that rates most of them."""
    folder.mkdir()
    rated = demo.ratings()
    with (folder / "labels.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("path", "emotion", "speaker", "arousal", "valence"))
        for clip in demo.clips():
            if clip.emotion in ("anger", "sadness") and clip.utterance <= 5:
                name = clip.path.replace("/", " ")
                soundfile.write(folder / name, demo.render(clip), demo.SAMPLE_RATE)
                arousal, valence = rated[clip.path.split("/")[1]].values()
                known = clip.speaker > 2
                row = (name, clip.emotion, clip.speaker, arousal, valence if known else "")
                writer.writerow(row)


def repro(project):
    done = dvc(project, "repro", env=environment(project), stdout=-1, stderr=-1)
    return done.returncode, done.stdout + done.stderr


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    folder = tmp_path_factory.mktemp("rated") / "project"
    make_workspace(folder, CHANGES)
    put_recordings(folder / "recordings")
    code, said = repro(folder)
    assert code == 0, said
    commit(folder)
    return folder


def test_ratings_are_learned_measured_drawn_and_reported(project):
    clips = read_csv(project / "data/clips.csv")
    assert list(clips)[-2:] == ["arousal", "valence"]
    assert clips["arousal"].notna().all()
    assert 0 < clips["valence"].notna().sum() < len(clips)
    figures = parse_report((project / "metrics/evaluate.json").read_text())["dimensions"]
    assert figures["arousal"]["ccc"] > 0.3
    assert figures["valence"]["n"] < figures["arousal"]["n"]
    assert (project / "data/model/dimensions.png").stat().st_size > 5000
    run(project, "report")
    page = (project / "report.html").read_text()
    assert 'id="dimensions"' in page
    assert f"{figures['arousal']['ccc']:.2f} (" in page
    clip = clips["path"][0]
    prediction = load(project / "data/model").predict_file(project / "data/raw" / clip)
    assert list(prediction.dimensions) == ["arousal", "valence"]


def test_a_wrong_rating_stops_the_pull_with_its_line(project):
    table = project / "recordings/labels.csv"
    right = table.read_text()
    lines = right.splitlines()
    lines[3] = lines[3].replace(lines[3].split(",")[3], "3.5")
    table.write_text("\n".join(lines))
    before = json.loads((project / "metrics/headline.json").read_text())
    done = dvc(
        project, "repro", "--force", "--single-item", "pull",
        env=environment(project), stdout=-1, stderr=-1,
    )  # fmt: skip
    table.write_text(right)
    said = " ".join((done.stdout + done.stderr).split())
    assert done.returncode != 0
    assert "line 4: arousal '3.5': a number from 0 to 1" in said
    assert "Traceback" not in said
    assert json.loads((project / "metrics/headline.json").read_text()) == before
