"""A table of features that another program computed goes through the real pipeline."""

import subprocess

import numpy as np
import pytest
import soundfile
from small_model import RATE, ser_here, speech
from small_project import (
    commit,
    environment,
    make_small_project,
    stages_run,
    use_part_of_demo,
)

from scripts.workspace import change_params, dvc
from ser.core.store import Store
from ser.core.tables import read_rows

TABLE = "tables/mine.csv"
CHANGES = {
    "features": {"kinds": ["egemaps", "table"], "table": TABLE},
    "model": {"name": "mlp", "crop": {"probability": 0.0}},
}


def repro(project, *arguments, ok=True):
    done = dvc(
        project, "repro", *arguments, env=environment(project), stdout=-1, stderr=subprocess.STDOUT
    )
    assert (done.returncode == 0) == ok, done.stdout
    assert "Traceback" not in done.stdout
    return done.stdout


def write_table(project, clips, digits=6):
    """Write a table of the clips, and two rows that belong to no clip."""
    rng = np.random.default_rng(0)
    lines = ["clip,first,second"]
    for row in clips:
        values = rng.normal(0, 1, 2)
        lines.append(f"{row['clip']},{values[0]:.{digits}f},{values[1]:.{digits}f}")
    lines += ["no/clip,1,2", "none/either,3,4"]
    (project / TABLE).write_text("\n".join(lines) + "\n", encoding="utf-8")


@pytest.fixture(scope="module")
def clips(project):
    return list(read_rows(project / "data/clips.csv"))


@pytest.fixture(scope="module")
def project(tmp_path_factory, stage_results):
    """A small project with a table of its clips; nothing after clean has run."""
    folder = make_small_project(tmp_path_factory.mktemp("given") / "project", stage_results)
    use_part_of_demo(folder)
    repro(folder, "clean")
    write_table(folder, list(read_rows(folder / "data/clips.csv")))
    change_params(folder / "params.yaml", CHANGES)
    return folder


@pytest.fixture(scope="module")
def finished(project):
    output = repro(project, "evaluate")
    assert "extract: 2 rows of tables/mine.csv are of no clip, such as no/clip" in output
    assert "88 egemaps, 2 table values" in output
    return project


def test_the_values_are_features_beside_those_that_are_computed(finished, clips):
    store = Store(finished / "data/features")
    assert store.meta["dims"] == {"egemaps": 88, "table": 2}
    assert "table" not in store.meta["features"]
    rows = {row["clip"]: row for row in read_rows(finished / TABLE)}
    for clip in (row["clip"] for row in clips):
        expected = np.array([rows[clip]["first"], rows[clip]["second"]], np.float32)
        assert np.array_equal(store[clip][0, 88:], expected)


def test_a_changed_table_is_computed_with_anew_and_nothing_else(finished, clips):
    assert stages_run(repro(finished, "evaluate")) == []
    write_table(finished, clips, digits=4)
    assert stages_run(repro(finished, "extract")) == ["extract"]
    assert stages_run(repro(finished, "--dry", "evaluate")) == ["train", "evaluate"]
    write_table(finished, clips)
    assert stages_run(repro(finished, "evaluate")) == []  # it was computed before


@pytest.mark.parametrize(
    "arguments",
    [("predict", "x.wav"), ("export", "--onnx"), ("export", "--web", "page"), ("serve",)],
)
def test_the_model_cannot_answer_for_recordings(finished, tmp_path, arguments):
    soundfile.write(tmp_path / "x.wav", speech(3), RATE)
    command, *others = arguments
    done = ser_here(command, "--model", finished / "data/model", *others, cwd=tmp_path)
    assert done.returncode == 1
    assert (
        b"the model was trained on a table (features.table), which has no rows for" in done.stderr
    )
    assert {path.name for path in tmp_path.iterdir()} == {"x.wav"}


def test_the_card_says_that_it_cannot(finished):
    card = (finished / "data/model/README.md").read_text("utf-8")
    assert "it cannot answer for recordings" in card
    assert "ser predict --model" not in card


def test_a_table_of_other_clips_ends_in_a_sentence(finished, clips):
    write_table(finished, clips[:-2])
    output = repro(finished, ok=False)
    names = [row["clip"] for row in clips[-2:]]
    assert (
        f"error: {TABLE}: clips without a row: 2, such as {', '.join(names)}; rows of no" in output
    )
    write_table(finished, clips)
    repro(finished, "evaluate")


def test_a_table_that_is_not_there_is_missed_before_anything_runs(finished):
    change_params(finished / "params.yaml", {"features": {"table": "tables/other.csv"}})
    output = repro(finished, ok=False)
    assert "error: tables/other.csv is not there (features.table): " in output
    assert "Nothing was run, and nothing was removed." in output
    assert (finished / "data/features/store.json").is_file()
    change_params(finished / "params.yaml", {"features": {"table": TABLE}})


def test_a_table_that_dvc_keeps_reaches_experiments(finished):
    done = dvc(finished, "add", TABLE, env=environment(finished), capture_output=True)
    assert done.returncode == 0, done.stderr
    repro(finished, "evaluate")
    commit(finished)
    assert TABLE not in subprocess.run(
        ["git", "ls-files"], cwd=finished, capture_output=True, text=True, check=True
    ).stdout.split("\n")
    arguments = ("exp", "run", "--temp", "--set-param", "features.top_db=70.0", "extract")
    done = dvc(finished, *arguments, env=environment(finished), stdout=-1, stderr=subprocess.STDOUT)
    assert done.returncode == 0, done.stdout
    assert stages_run(done.stdout) == ["check", "extract"]
