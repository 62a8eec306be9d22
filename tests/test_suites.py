"""Suites of experiments: their lists, runs and results."""

import json
import re
import subprocess
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from small_project import (
    commit,
    environment,
    experiments_shown,
    make_small_project,
    reproduced,
    run,
    stages_run,
    write,
)

from scripts import experiments
from scripts.suites import lists, protocols, recordings, results, runs
from scripts.suites.tables import Table
from scripts.workspace import ROOT, change_params, dvc
from ser.core import params
from ser.core.errors import UserError
from ser.core.tables import parse_report, read_csv, write_csv
from ser.splits import schemes

SUITES = {name: lists.read_suite(name) for name in results.ADD}


# The lists


@pytest.mark.parametrize(
    ("suite", "entry"), [(suite, entry) for suite in SUITES for entry in SUITES[suite].entries]
)
def test_every_entry_is_valid(suite, entry, tmp_path):
    planned = runs.plan(SUITES[suite], entry, emobox=tmp_path)
    assert len(planned) == max(1, len(SUITES[suite].seeds))
    assert suite == "compare" or SUITES[suite].entries[entry].description
    # No DVC experiment is of two suites.
    assert all(name.startswith("trial-") == (suite == "trials") for name in planned)


def test_all_experiments_on_the_aesdd_are_compared_or_measured_over_seeds(tmp_path):
    on_aesdd = []
    for name in experiments.names():
        changes = experiments.with_emobox(experiments.read_file(name), tmp_path)
        if experiments.resolve(changes)["pull"]["corpora"] == ["aesdd"]:
            on_aesdd.append(name)
    in_suites = [*SUITES["compare"].entries, *SUITES["protocols"].entries]
    # `make robustness` and `make enrolment` measure these; the last two need a large encoder.
    others = ["robust", "loso-default", "wavlm-large", "whisper-large-v3"]
    assert sorted([*in_suites, *others]) == on_aesdd


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder with one experiment."""
    monkeypatch.setattr(experiments, "FOLDER", tmp_path)
    write(tmp_path, plain="model: {epochs: 5}")
    (tmp_path / "suites").mkdir()
    return tmp_path


def read_list(folder, text):
    write(folder / "suites", some=text)
    return lists.read_suite("some")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("sedes: [1]\nentries: {plain: {}}", r"sedes: unknown key, allowed here: entries, exp"),
        ("entries: {plain: {colour: red}}", r"plain\.colour: unknown key, .*experiment, params"),
        (
            "entries:\n  plain: {}\n  plain: {}",
            r"not valid YAML.*duplicate key \"plain\".*line 3",
        ),
        ("entries: {new: {}, other: {}}", r"no experiment new, other: expected one of plain$"),
        ("entries: {new: {experiment: gone}}", r"no experiment gone: expected one of plain"),
        ("entries: {plain: {}}\nwithout_test_clips_of: [gone]", r"no experiment gone"),
        ("entries: {plain: }", r"entries\.plain = None: a mapping of keys to values expected"),
        ("entries: {}", r"entries = \{\}: dictionary should have at least 1 item"),
        ("seeds: [0]", r"entries: missing"),
        (
            "seeds: [one]\nentries: {plain: {}}",
            r"seeds\.0 = 'one': input should be a valid int",
        ),
        ("entries: {: {experiment: plain}}", r"entries\.None = None: text expected"),
        ("entries: {a/b: {experiment: plain}}", r"entries\.a/b = 'a/b': string should match"),
        ("- plain", r"the file = \['plain'\]: a mapping of keys to values expected"),
    ],
)
def test_a_wrong_list_is_refused_with_the_place_and_what_is_valid(folder, text, expected):
    with pytest.raises(UserError, match=re.compile(expected, re.DOTALL)) as refused:
        read_list(folder, text)
    assert str(folder / "suites/some.yaml") in str(refused.value)


def test_a_missing_list_is_named(folder):
    with pytest.raises(UserError, match=r"cannot read .*/suites/some\.yaml: No such file"):
        lists.read_suite("some")


# The runs


def test_an_entry_has_the_params_of_its_experiment_then_its_own_then_those_of_all(folder):
    suite = read_list(
        folder,
        "experiment: plain\nprefix: try-\nseeds: [3, 4]\nseeded: [model.seed, split.seed]\n"
        "params: {split: {val: 0.0}}\n"
        "entries: {wide: {params: {model: {width: 8}, split: {val: 0.2}}}}",
    )
    assert runs.plan(suite, "wide") == {
        f"try-wide-seed{seed}": {
            "model": {"epochs": 5, "width": 8, "seed": seed},
            "split": {"val": 0.0, "seed": seed},
        }
        for seed in (3, 4)
    }
    suite = read_list(folder, "entries: {plain: {}}")
    assert runs.plan(suite, "plain") == {"plain": {"model": {"epochs": 5}}}


@pytest.mark.parametrize(("epochs", "expected"), [(3, 3), (None, 5), (5, 5), (10, 5)])
def test_epochs_can_be_reduced_but_not_increased(folder, epochs, expected):
    suite = read_list(folder, "entries: {plain: {}}")
    ((name, changes),) = runs.plan(suite, "plain", epochs).items()
    assert changes["model"]["epochs"] == expected
    # A shorter training does not take the place of the whole one.
    assert name == ("plain" if expected == 5 else "plain-model.epochs-3")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("entries: {plain: {params: {model: {depth: 3}}}}", r"entry plain .*model\.depth: unknown"),
        ("seeds: [0]\nseeded: [model.sede]\nentries: {plain: {}}", r"model\.sede: unknown key"),
        ("entries: {plain: {params: {split: {scheme: emobox}}}}", r"EMOBOX=<its folder data>"),
    ],
)
def test_an_entry_with_wrong_params_is_refused(folder, text, said):
    with pytest.raises(UserError, match=re.compile(said, re.DOTALL)):
        runs.plan(read_list(folder, text), "plain")


@pytest.mark.parametrize(
    ("workers", "scheduler", "expected"),
    [("1", "", 1), ("2", "", 2), ("64", "", 5), ("1", "tcp://127.0.0.1:8786", 5)],
)
def test_the_number_of_seeds_at_once_depends_on_the_workers(
    monkeypatch, workers, scheduler, expected
):
    monkeypatch.setenv("SER_WORKERS", workers)
    monkeypatch.setenv("SER_DASK_SCHEDULER", scheduler)
    assert runs.at_once(5) == expected


# The tables

COLUMNS = ("entry", "seed", "x", "seconds")


@pytest.fixture
def table(tmp_path):
    rows = [("c", 0, 0.1, 7.5), ("a", 0, 0.2, None), ("a", 1, 0.834270, 2), ("gone", 0, 0.3, 1)]
    text = "\n".join(",".join("" if cell is None else str(cell) for cell in row) for row in rows)
    (tmp_path / "table.csv").write_text(f"{','.join(COLUMNS)}\n{text}\n")
    return Table(tmp_path / "table.csv", COLUMNS)


def test_rows_of_an_entry_are_replaced_and_sorted_in_the_order_of_the_list(table):
    rows = [{"seed": seed, "x": 0.5, "seconds": 3.0, "more": "left out"} for seed in (1, 0)]
    table.put("c", rows, ["a", "b", "c"])
    assert table.path.read_text().splitlines() == [
        *("entry,seed,x,seconds", "a,0,0.2,", "a,1,0.83427,2", "c,1,0.5,3.0", "c,0,0.5,3.0"),
    ]


def test_a_time_that_was_not_measured_again_is_kept(table):
    table.put("a", [{"seed": seed, "x": 0, "seconds": None} for seed in (0, 1, 2)], ["a"])
    assert [row["seconds"] for row in table.read()] == ["", "2", ""]


@pytest.mark.parametrize("text", ["", "entry\n", "<<<<<<< HEAD\na,b\n", "\xff"])
def test_a_damaged_table_is_refused(table, text):
    table.path.write_bytes(text.encode("latin-1"))
    with pytest.raises(UserError, match="is damaged"):
        table.read()


def test_damaged_protocols_are_refused(monkeypatch, tmp_path):
    monkeypatch.setattr(results, "PROTOCOLS", tmp_path / "protocols.json")
    assert results.read_protocols() == {}
    for text in (b"", b"{", b"[1]", b"\xff"):
        results.PROTOCOLS.write_bytes(text)
        with pytest.raises(UserError, match="is damaged"):
            results.read_protocols()


# Protocols


def test_the_figures_of_all_seeds_have_names():
    clips = [f"c/{i}" for i in range(4)]
    actual = ["angry", "angry", "sad", "sad"]
    shared = {"clip": clips, "fold": [1, 2, 1, 2], "speaker": list("xxyy"), "emotion": actual}
    said = {0: actual, 7: ["angry", "sad", "sad", "sad"]}
    predictions = {
        seed: pd.DataFrame(shared | {"predicted": taken}) for seed, taken in said.items()
    }
    figures = protocols.summarise(predictions, pd.Series(dict.fromkeys(clips, 2.0)))
    low, high = (figures["accuracy"].pop(end) for end in ("low", "high"))
    assert 0.5 <= low < 0.875 < high <= 1
    assert figures == {
        "clips": 4,
        "folds": 2,
        "accuracy": {"mean": 0.875, "std": pytest.approx(0.25 / 2**0.5)},
        "uar": {"mean": 0.875, "std": pytest.approx(0.25 / 2**0.5)},
        "per_seed": {"0": {"accuracy": 1.0, "uar": 1.0}, "7": {"accuracy": 0.75, "uar": 0.75}},
        "per_fold": {"1": {"accuracy": 1.0}, "2": {"accuracy": 0.75}},
        "per_speaker": {"x": {"accuracy": 0.75, "n": 2}, "y": {"accuracy": 1.0, "n": 2}},
        "per_emotion": {"angry": {"accuracy": 0.75, "n": 2}, "sad": {"accuracy": 1.0, "n": 2}},
        "per_length": {"0 to 3 s": {"accuracy": 0.875, "n": 4}},
        "confusions": {"angry": {"angry": 3, "sad": 1}, "sad": {"angry": 0, "sad": 4}},
    }


# Trials


@pytest.fixture
def corpus(tmp_path, monkeypatch):
    """Recordings of two speakers, and EmoBox's lists, which test speaker 1's first sentence."""
    rows = []
    for emotion, letter in (("angry", "a"), ("sad", "s")):
        for utterance in range(1, 11):
            for speaker in "12":
                name = f"{letter}{utterance:02d} ({speaker})"
                path = tmp_path / f"data/raw/aesdd/{emotion}/{name}.wav"
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(name)
                row = {"clip": f"aesdd/{name}", "corpus": "aesdd", "speaker": speaker}
                row |= {"path": f"aesdd/{emotion}/{name}.wav", "emotion": emotion}
                rows.append(row | {"utterance": str(utterance), "take": ""})
    write_csv(tmp_path / "data/clips.csv", rows, list(rows[0]))
    fold = tmp_path / "emobox/fold_1"
    fold.mkdir(parents=True)
    for subset, wanted in (("test", True), ("train", False)):
        lines = [
            json.dumps({"key": row["clip"], "wav": row["path"].replace("aesdd/", "downloads/", 1)})
            for row in rows
            if (row["utterance"] == "1" and row["speaker"] == "1") == wanted
        ]
        (fold / f"aesdd_{subset}_fold_1.jsonl").write_text("\n".join(lines))
    monkeypatch.setattr(recordings, "ROOT", tmp_path)
    monkeypatch.setattr(recordings, "FOLDER", tmp_path / ".trials")
    return tmp_path


def hide(corpus, *named):
    """Return the folder with the corpus's recordings without some experiments' test clips."""
    update = {"without_test_clips_of": list(named)}
    changes = recordings.hide_test_clips(
        SUITES["trials"].model_copy(update=update), corpus / "emobox"
    )
    params.parse_params(experiments.resolve(changes), "test")
    ((_, source),) = changes["pull"]["sources"].items()
    return Path(source.removeprefix("path:"))


def names_in(folder):
    return {f"aesdd/{path.stem}" for path in folder.rglob("*.wav")}


def test_the_recordings_contain_no_test_clip(corpus):
    clips = read_csv(corpus / "data/clips.csv")
    (fold,) = schemes.make_folds(clips, params.load(ROOT / "params.yaml").split)
    tested = {clip for clip, subset in fold.items() if subset == "test"}
    tested |= {"aesdd/a01 (1)", "aesdd/s01 (1)"}
    folder = hide(corpus, *SUITES["trials"].without_test_clips_of)
    assert names_in(folder) == set(clips["clip"]) - tested


def test_other_recordings_get_another_folder_so_that_dvc_reruns(corpus):
    some = hide(corpus, "emobox")
    assert hide(corpus, "emobox") == some
    assert hide(corpus, "default") != some
    (corpus / "data/raw/aesdd/sad/s03 (2).wav").write_text("recorded again")
    assert hide(corpus, "emobox") != some


def test_it_is_refused_if_no_clip_is_left(corpus):
    with pytest.raises(UserError, match="every clip is a test clip"):
        hide(corpus, "loso")


def test_missing_recordings_and_other_corpora_are_reported(corpus):
    (corpus / "data/raw/aesdd/sad/s03 (2).wav").unlink()
    with pytest.raises(UserError, match=r"s03 \(2\)\.wav: No such file.*dvc repro"):
        hide(corpus, "emobox")
    clips = read_csv(corpus / "data/clips.csv").assign(corpus="tess")
    clips.to_csv(corpus / "data/clips.csv", index=False)
    with pytest.raises(UserError, match=r"data/ has tess, .* aesdd: set pull\.corpora \[aesdd\]"):
        hide(corpus, "emobox")


# The runner, through the real dvc


@pytest.fixture(scope="module")
def project(tmp_path_factory, stage_results):
    """A small committed project with its own suites; pull and clean have run."""
    folder = make_small_project(tmp_path_factory.mktemp("suites") / "project", stage_results)
    write(
        folder / "experiments",
        plain="model: {seed: 1}",
        snaps="extends: plain\nfeatures: {kinds: [logmel]}\n"
        "model: {name: cnn, normalisation: clip, epochs: 3, snapshots: true}",
        emobox="split: {scheme: emobox, val: 0.0}",
    )
    write(
        folder / "experiments/suites",
        compare="entries: {snaps: {reported: 74 %}, plain: {}}",
        protocols="seeds: [0, 7]\nparallel: true\nentries: {plain: {}, emobox: {}}",
        trials="experiment: plain\nprefix: trial-\nwithout_test_clips_of: [plain]\n"
        "seeds: [0, 1]\nseeded: [model.seed, split.seed]\nresumes: false\n"
        "params: {pull: {corpora: [demo]}, split: {scheme: kfold, folds: 2, val: 0.0}}\n"
        "entries: {plain: {}, wide: {params: {model: {width: 8}}}}",
    )
    assert dvc(folder, "repro", "clean", env=environment(folder)).returncode == 0
    commit(folder)
    return folder


def read_of(project, name, path):
    """Read a file of an experiment from git."""
    found = ("for-each-ref", "--format=%(refname)", f"refs/exps/*/*/{name}")
    command = ("git", "-C", str(project))
    ref = subprocess.run([*command, *found], check=True, capture_output=True, text=True).stdout
    shown = [*command, "show", f"{ref.strip()}:{path}"]
    return subprocess.run(shown, check=True, capture_output=True, text=True).stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("compare", "other"), "compare has no other: expected one of snaps, plain"),
        (("protocols", "emobox"), "needs EmoBox's lists"),
        (("protocols", "--emobox", "nowhere"), "'nowhere' is not a folder"),
        (("protocols", "--epochs", "1"), "unrecognized arguments: --epochs"),
        (("compare", "--seeds", "1"), "unrecognized arguments: --seeds"),
        (("other",), "invalid choice: 'other'"),
    ],
)
def test_unknown_names_and_options_are_refused_and_nothing_runs(project, arguments, said):
    output = run(project, "suites", *arguments, ok=False)
    assert said in output
    assert stages_run(output) == []


def test_a_comparison_contains_its_experiments_figures(project):
    told = run(project, "suites", "compare")
    table = pd.read_csv(project / "metrics/compare.csv").set_index("experiment")
    assert table.index.tolist() == ["snaps", "plain"]
    for name, row in table.iterrows():
        figures = parse_report(read_of(project, name, "metrics/evaluate.json"))
        for figure in ("accuracy", "accuracy_low", "accuracy_high", "uar"):
            assert row[figure] == figures[figure]
    # All three epochs were tested; the best one is at least as good as the last.
    assert table.loc["snaps", "oracle"] >= table.loc["snaps", "accuracy"]
    assert pd.isna(table.loc["plain", "oracle"])
    for column in ("epochs", "epochs_allowed", "epochs_wanted"):
        assert table[column].tolist() == [3, 2]
    assert table.loc["snaps", "seconds_per_epoch"] >= 0
    history = pd.read_csv(project / "plots/compare_history.csv").set_index("experiment")
    assert history.loc["snaps", "test_loss"].notna().tolist() == [True] * 3
    assert history.loc["plain", "test_loss"].isna().all()
    assert (project / "plots/compare.png").stat().st_size > 10_000

    # Both are tested on the same clips, so the difference is that of their accuracies.
    answers = read_csv(project / "metrics/compare_answers.csv")
    right = (answers["emotion"] == answers["predicted"]).groupby(answers["experiment"]).mean()
    assert right.to_dict() == pytest.approx(table["accuracy"].to_dict(), abs=1e-6)
    (row,) = (line for line in told.splitlines() if line.startswith("| `snaps`, `plain` |"))
    assert f"| {100 * (right['plain'] - right['snaps']):+.1f} points (" in row

    # A second run trains nothing and changes nothing.
    names = ("metrics/compare.csv", "metrics/compare_answers.csv", "plots/compare_history.csv")
    files = [project / name for name in names]
    before = [path.read_bytes() for path in files]
    again = run(project, "suites", "compare")
    assert stages_run(again) == []
    assert again.count("done already") == 2
    assert [path.read_bytes() for path in files] == before

    # With some names and fewer epochs, only those rows change.
    run(project, "suites", "compare", "--epochs", "1", "snaps")
    shorter = pd.read_csv(project / "metrics/compare.csv").set_index("experiment")
    epochs = shorter.loc["snaps", ["epochs", "epochs_allowed", "epochs_wanted"]]
    assert epochs.tolist() == [1, 1, 3]
    assert shorter.loc["plain"].equals(table.loc["plain"])


def test_a_protocol_is_measured_over_all_seeds(project):
    change_params(project / "params.yaml", {"evaluate": {"bootstrap": 150}})  # not committed
    output = run(project, "suites", "protocols", "plain", SER_WORKERS="2")
    subprocess.run(["git", "checkout", "--quiet", "params.yaml"], cwd=project, check=True)
    names = ["plain-seed0", "plain-seed7"]
    for name in names:
        assert f"{name}: Reproducing experiment '{name}'" in output
    # The shared stages run once; each line names its experiment.
    assert stages_run(output).count("augment") <= 1
    assert all(line.startswith("plain") for line in output.splitlines() if "Running" in line)
    figures = json.loads((project / "metrics/protocols.json").read_text("utf-8"))["plain"]
    shown = experiments_shown(project)
    of_seeds = [shown[name] for name in names]
    assert {row["evaluate.bootstrap"] for row in of_seeds} == {"150"}
    assert [row["model.seed"] for row in of_seeds] == ["0", "7"]
    assert list(figures["per_seed"]) == ["0", "7"]
    for name in ("accuracy", "uar"):
        each = [float(row[name]) for row in of_seeds]
        of_each = [of_seed[name] for of_seed in figures["per_seed"].values()]
        assert of_each == pytest.approx(each, abs=1e-5)
        assert figures[name]["mean"] == pytest.approx(np.mean(each), abs=1e-5)
        assert figures[name]["std"] == pytest.approx(np.std(each, ddof=1), abs=1e-5)
    assert figures["accuracy"]["low"] <= figures["accuracy"]["mean"] <= figures["accuracy"]["high"]
    for groups in ("per_speaker", "per_emotion", "per_length"):
        assert sum(group["n"] for group in figures[groups].values()) == figures["clips"]
        hits = sum(group["n"] * group["accuracy"] for group in figures[groups].values())
        assert hits / figures["clips"] == pytest.approx(figures["accuracy"]["mean"], abs=1e-4)
    counted = sum(sum(row.values()) for row in figures["confusions"].values())
    assert counted == figures["clips"] * len(names)


def test_trials_are_measured_and_timed_without_the_test_clips(project):
    run(project, "suites", "trials", "--seeds", "1", "wide")
    # What is done is not run again, and keeps its time.
    first = pd.read_csv(project / "metrics/trials.csv")
    assert first["seed"].tolist() == [0]
    assert reproduced(run(project, "suites", "trials", "wide")).count("train") == 1
    table = pd.read_csv(project / "metrics/trials.csv")
    assert table[["trial", "seed"]].to_numpy().tolist() == [["wide", 0], ["wide", 1]]
    assert table.iloc[0].equals(first.iloc[0])
    assert (table["seconds"] > 0).all()
    clips = read_csv(project / "data/clips.csv")
    (fold,) = schemes.make_folds(clips, params.load(project / "params.yaml").split)
    left = {clip for clip, subset in fold.items() if subset != "test"}
    assert set(table["clips"]) == {len(left)}
    split = parse_report(read_of(project, "trial-wide-seed1", "metrics/split.json"))
    assert split["clips_per_fold"]["test"] == len(left) / 2
    assert (project / "plots/accuracy_time.png").stat().st_size > 10_000
