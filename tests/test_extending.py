"""The examples of docs/architecture.md work: each is added to a copy of the program and run."""

import json
import re
import shutil

import numpy as np
import pytest
import soundfile
import yaml
from librosa.feature import spectral_flatness
from settings import FORM
from small_model import RATE, speech
from toy_project import DIMS, EMOTIONS, TRAIN_PATHS, make_project, one_split, run

from scripts.workspace import ROOT
from ser.core.store import Store, StoreWriter
from ser.core.tables import parse_report, read_csv, write_csv

# A block of code, and the last file that is named before it.
BLOCK = re.compile(r"```(python|diff)\n(.*?)```", re.DOTALL)
FILE = re.compile(r"`(ser/\S+\.py)`")


def examples(heading):
    """Path of each file that a section of the page shows, whether it is changed, and how."""
    text = (ROOT / "docs/architecture.md").read_text("utf-8")
    (section,) = re.findall(rf"^### {heading}.*?(?=^###? |\Z)", text, re.MULTILINE | re.DOTALL)
    return [
        (FILE.findall(section[: block.start()])[-1], block[1] == "diff", block[2])
        for block in BLOCK.finditer(section)
    ]


def apply(diff, text):
    """Insert the lines with a plus below the line before them; each other line must be there."""
    lines, at = text.splitlines(), -1
    for change in diff.splitlines():
        sign, line = change[0], change[1:]
        if sign == "+":
            at += 1
            lines.insert(at, line)
        else:
            at = lines.index(line)
            if sign == "-":
                del lines[at]
                at -= 1
    return "\n".join(lines) + "\n"


@pytest.fixture
def extended(tmp_path):
    """Extend a copy of the program as a section of the page says: heading -> files touched."""
    for package in ("ser", "stages"):
        shutil.copytree(ROOT / package, tmp_path / "code" / package)

    def extend(heading):
        touched = []
        for path, changed, block in examples(heading):
            file = tmp_path / "code" / path
            assert file.exists() == changed
            file.write_text(apply(block, file.read_text("utf-8")) if changed else block, "utf-8")
            touched.append(path)
        return touched

    return extend


def run_extended(stage, project, *paths):
    """Run a stage of the extended copy."""
    code, _, said = run(stage, project, paths, {"PYTHONPATH": str(project.parent / "code")})
    assert code == 0, said


def set_section(project, section, **changes):
    path = project / "params.yaml"
    params = yaml.safe_load(path.read_text("utf-8"))
    params[section] |= changes
    path.write_text(yaml.safe_dump(params), "utf-8")


def test_a_net_is_added_in_three_places(extended, tmp_path):
    assert extended("A net") == ["ser/nets/average.py", "ser/nets/build.py", "ser/core/needs.py"]
    project = tmp_path / "project"
    make_project(project, one_split(), {"epochs": 3})
    set_section(project, "model", name="average")
    run_extended("train", project, *TRAIN_PATHS)
    described = json.loads((project / "trained/model.json").read_text("utf-8"))
    assert described["model"]["name"] == "average"
    figures = parse_report((project / "train.json").read_text("utf-8"))
    assert figures["parameters"] == (sum(DIMS.values()) + 1) * len(EMOTIONS)


def test_a_corpus_is_added_in_two_places(extended, tmp_path):
    assert extended("A corpus") == ["ser/corpora/emovo.py", "ser/corpora/__init__.py"]
    project = tmp_path / "project"
    make_project(project)
    set_section(project, "pull", corpora=["emovo"], sources={"emovo": "path:somewhere"})
    names = ["gio-m1-b2.wav", "tri-f3-d1.wav", "tri-f4-d1.wav"]
    for number, name in enumerate(names):
        path = project / "raw/emovo" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, speech(number), RATE)
    run_extended("clean", project, "raw", "clips.csv", "rejected.csv", "clean", "clean.json")
    clips = read_csv(project / "clips.csv")
    assert clips["emotion"].tolist() == ["happy", "sad"]
    assert clips["speaker"].tolist() == ["m1", "f3"]
    assert read_csv(project / "rejected.csv")["reason"].tolist() == ["unknown_name"]


def test_a_kind_of_features_is_added_in_two_places(extended, tmp_path):
    assert extended("A kind") == ["ser/core/kinds.py", "ser/features/extract.py"]
    project = tmp_path / "project"
    make_project(project)
    set_section(project, "features", kinds=["rms", "flatness"])
    set_section(project, "model", name="conv1d", frequency_mask=0)
    waveforms = [speech(number) for number in range(2)]
    rows = [{"clip": f"c{i}", "path": f"c{i}.wav"} for i in range(2)]
    write_csv(project / "clips.csv", rows, ["clip", "path"])
    with StoreWriter(project / "clean", (), FORM.model_dump()) as store:
        for number, waveform in enumerate(waveforms):
            store.add(f"c{number}.wav", waveform)
    run_extended("extract", project, "clips.csv", "clean", "new")
    store = Store(project / "new")
    assert store.meta["dims"] == {"rms": 1, "flatness": 1}
    framing = {key: store.meta["features"][key] for key in ("n_fft", "win_length", "hop_length")}
    for number, waveform in enumerate(waveforms):
        expected = spectral_flatness(y=waveform, **framing, pad_mode="constant")
        np.testing.assert_allclose(store[f"c{number}"][:, 1], expected[0], rtol=1e-3)


def test_a_split_is_added_in_two_places(extended, tmp_path):
    assert extended("A split") == ["ser/core/sections.py", "ser/splits/schemes.py"]
    project = tmp_path / "project"
    make_project(project)
    set_section(project, "split", scheme="sentence_kfold", folds=3, val=0.0)
    columns = ["clip", "corpus", "emotion", "speaker", "utterance"]
    clips = [
        {"clip": f"{emotion}{sentence}{speaker}", "corpus": "toy", "emotion": emotion}
        | {"speaker": speaker, "utterance": sentence}
        for emotion in EMOTIONS
        for sentence in "abcdef"
        for speaker in "12"
    ]
    write_csv(project / "clips.csv", clips, columns)
    run_extended("split", project, "clips.csv", "splits.csv", "split.json")
    splits = read_csv(project / "splits.csv").merge(read_csv(project / "clips.csv"), on="clip")
    tested = splits[splits["subset"] == "test"]
    assert sorted(tested["clip"]) == sorted(clip["clip"] for clip in clips)
    for _, fold in splits.groupby("fold"):
        heard = set(fold["utterance"][fold["subset"] == "train"])
        assert heard.isdisjoint(fold["utterance"][fold["subset"] == "test"])
