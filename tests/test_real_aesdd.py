"""The pipeline on real AESDD clips, pulled from a loopback DagsHub look-alike."""

import json
import subprocess
import sys
from pathlib import Path

import librosa
import numpy as np
import pytest
import soundfile
from dagshub_server import DagsHubServer
from small_model import ser
from stage_metrics import metrics_of

from scripts import experiments
from scripts.workspace import ROOT, dvc, make_workspace
from ser.core.store import Store
from ser.core.tables import read_csv

AESDD = ROOT.parent / "shared" / "aesdd"
EMOBOX = ROOT.parent / "shared" / "emobox" / "aesdd"
CLIPS_PER_EMOTION = 30
# The CNN on log-mel spectrograms, which can be compared with librosa's.
CHANGES = experiments.merge(
    experiments.read_experiment("resnet"),
    {"model": {"width": 8, "epochs": 8}, "augment": {"copies": 1}},
)

pytestmark = [
    pytest.mark.real,
    pytest.mark.skipif(not AESDD.is_dir(), reason="the real clips are not here"),
]


@pytest.fixture(scope="module")
def wav(tmp_path_factory):
    folder = tmp_path_factory.mktemp("aesdd") / "wav"
    command = [sys.executable, AESDD / "unpack.py", folder, "--limit", str(CLIPS_PER_EMOTION)]
    subprocess.run(command, check=True)
    return folder


def run(folder, wav, changes):
    """Pull the clips and run all later stages."""
    make_workspace(folder / "project", changes)
    with DagsHubServer(wav) as server:
        environment = {"DAGSHUB_CLIENT_HOST": server.url, "HOME": str(folder)}
        assert dvc(folder / "project", "repro", env=environment).returncode == 0
        assert server.strange_requests() == []
        pulled = metrics_of(folder / "project", "pull")["aesdd"]
        assert pulled["commit"] == server.commit
    return folder / "project"


@pytest.fixture(scope="module")
def project(wav, tmp_path_factory):
    return run(tmp_path_factory.mktemp("real"), wav, CHANGES)


@pytest.fixture(scope="module", params=["as params.yaml has it", "resnet"])
def trained(request, wav, tmp_path_factory):
    """The project after training with the default net, and with the other one."""
    if request.param == "resnet":
        return request.getfixturevalue("project")
    return run(tmp_path_factory.mktemp("default"), wav, {"augment": {"copies": 1}})


def test_all_clips_except_the_broken_one_are_kept(project):
    counts = metrics_of(project, "clean")
    assert counts["kept"] == 5 * CLIPS_PER_EMOTION
    assert counts["rejected"] == counts["reasons"]["zero_length"] == 1
    assert "sadness/s05 (3).wav" in (project / "data/rejected.csv").read_text()


def test_features_of_a_real_clip_are_librosas(project):
    store = Store(project / "data/features")
    settings = store.meta["features"]
    path = project / "data/raw/aesdd/anger/a01 (1).wav"
    assert soundfile.info(path).samplerate == 44100
    waveform = np.array(Store(project / "data/clean")["aesdd/anger/a01 (1).wav"])
    names = ("n_fft", "win_length", "hop_length", "n_mels", "fmin", "fmax")
    power = librosa.feature.melspectrogram(
        y=waveform,
        sr=store.meta["form"]["sample_rate"],
        **{name: settings[name] for name in names},
    )
    expected = librosa.power_to_db(power, ref=np.max).T
    np.testing.assert_allclose(store["aesdd/a01 (1)"], expected, atol=1e-3)


def test_the_net_learns_from_real_clips(project):
    result = metrics_of(project, "evaluate")
    assert result["n_test"] == metrics_of(project, "split")["clips_per_fold"]["test"]
    assert result["accuracy_low"] <= result["accuracy"] <= result["accuracy_high"]
    assert metrics_of(project, "train")["train_accuracy"] > 0.3  # guessing: 0.2


def test_emobox_fold_of_the_available_clips(project):
    if not EMOBOX.is_dir():
        pytest.skip("EmoBox's lists are not here")
    from ser.core.params import load
    from ser.core.tables import read_csv
    from ser.splits.schemes import make_folds

    split = load(ROOT / "params.yaml").split
    clips = read_csv(project / "data/clips.csv")
    emobox = split.model_copy(update={"scheme": "emobox", "emobox": str(EMOBOX)})
    fold = make_folds(clips, emobox)[0]
    assert set(fold) == set(clips["clip"])
    lists = Path(EMOBOX, "fold_1/aesdd_test_fold_1.jsonl").read_text().splitlines()
    published = {Path(json.loads(line)["wav"]).stem for line in lists}
    for clip, subset in fold.items():
        assert (subset == "test") == (clip.split("/")[1] in published)


def test_predict_agrees_with_evaluate_on_every_test_clip(trained):
    done = ser("predict", "data/raw", "--json", cwd=trained)
    assert done.returncode == 1  # the broken clip
    answers = {answer["file"]: answer for answer in json.loads(done.stdout)}
    (broken,) = (a for a in answers.values() if a["emotion"] is None)
    assert broken["file"].endswith("s05 (3).wav")
    assert broken["reason"] == "zero_length"
    clips = read_csv(trained / "data/clips.csv").set_index("clip")
    predictions = read_csv(trained / "data/predictions.csv")
    assert len(predictions) == metrics_of(trained, "evaluate")["n_test"]
    for _, row in predictions.iterrows():
        answer = answers["data/raw/" + clips.loc[row["clip"], "path"]]
        assert answer["emotion"] == row["predicted"]
        for emotion, share in answer["probabilities"].items():
            assert share == pytest.approx(float(row[emotion]), abs=1e-5)


def test_the_exported_model_agrees_on_real_clips(trained):
    done = ser("export", "--onnx", cwd=trained)
    assert done.returncode == 0, done.stderr
    assert b"on 20 clips at their own lengths" in done.stdout
    folder, file = (
        json.loads(ser("predict", "data/raw", "--json", *model, cwd=trained).stdout)
        for model in ((), ("--model", "model.onnx"))
    )
    for ours, theirs in zip(folder, file, strict=True):
        assert theirs["emotion"] == ours["emotion"]
        assert theirs["probabilities"] == pytest.approx(ours["probabilities"], abs=1e-4)
