"""The evaluate stage fits the temperatures, and releases the model with them."""

import io
import shutil
from contextlib import chdir, redirect_stdout
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from small_model import EMOTIONS, make

from scripts.workspace import ROOT
from ser.core.figures import read_figures
from ser.core.store import Store, StoreWriter
from ser.core.tables import CLIP_COLUMNS, read_csv, write_csv
from ser.evaluation.prediction import predict_subset
from ser.evaluation.scores import expected_calibration_error, indices, reliability
from ser.evaluation.temperature import fit_temperature, scale
from ser.nets import model_folder
from ser.nets.folder_files import onnx_digest, read_description
from stages import evaluate

pytestmark = pytest.mark.usefixtures("one_thread")

# fold -> its numbers of train, val and test clips.
FOLDS = {1: (10, 40, 20), 2: (40, 19, 11), 3: (50, 0, 20)}


@pytest.fixture(scope="module")
def stage(tmp_path_factory, one_thread):
    """What the stage writes and prints, and what the nets say of the clips without scaling."""
    folder = tmp_path_factory.mktemp("stage")
    description, _ = make(folder / "trained", "cnn", tuple(FOLDS), normalisation="train")
    _, nets = model_folder.load(folder / "trained")
    rng = np.random.default_rng(0)
    names = [f"demo/{n:02d}" for n in range(70)]
    dims = description.preprocessing.dims
    with StoreWriter(
        folder / "features",
        (sum(dims.values()),),
        description.preprocessing.model_dump(mode="json"),
    ) as store:
        for name in names:
            store.add(name, rng.normal(-40, 15, (30, sum(dims.values()))).astype(np.float32))
    splits = pd.DataFrame(
        {"clip": name, "fold": fold, "subset": subset, "weight": 1.0}
        for fold, sizes in FOLDS.items()
        for name, subset in zip(names, np.repeat(["train", "val", "test"], sizes), strict=True)
    )
    columns = dict.fromkeys(CLIP_COLUMNS, "")
    clips = pd.DataFrame(
        columns | {"clip": n, "corpus": "demo", "speaker": "1", "emotion": "sad"} for n in names
    )
    unscaled = {}
    for subset in ("val", "test"):
        unscaled[subset], _ = predict_subset(
            subset, clips, splits, Store(folder / "features"), folder / "trained", description, nets
        )
    # Three of four clips have the emotion that the first fold's net names.
    first = unscaled["val"][unscaled["val"]["fold"] == 1].set_index("clip")["predicted"]
    told = {clip: named for n, (clip, named) in enumerate(first.items()) if n % 4}
    clips["emotion"] = [told.get(n, EMOTIONS[i % 3]) for i, n in enumerate(names)]
    write_csv(folder / "clips.csv", clips.to_dict("records"), CLIP_COLUMNS)
    write_csv(folder / "splits.csv", splits.to_dict("records"), list(splits))
    (folder / "unheard_voices.json").write_text("{}")
    shutil.copy(ROOT / "params.yaml", folder)
    emotions = clips.set_index("clip")["emotion"]
    for table in unscaled.values():
        table["emotion"] = table["clip"].map(emotions)
    with (
        chdir(folder),
        redirect_stdout(io.StringIO()) as out,
        pytest.MonkeyPatch.context() as patch,
    ):
        patch.setenv("SER_DEVICE", "cpu")
        paths = (
            "clips.csv", "features", "splits.csv", "trained", "unheard_voices.json", "model",
            "headline.json", "evaluate.json", "predictions.csv", "mistakes.csv",
            "test_history.csv", "reliability.csv", "map.csv", "confusion.csv",
        )  # fmt: skip
        evaluate.main(*map(Path, paths))
    return SimpleNamespace(folder=folder, said=out.getvalue(), unscaled=unscaled)


def of_fold(table, fold):
    own = table[table["fold"].astype(int) == fold]
    return own[EMOTIONS].to_numpy(float), indices(own["emotion"], EMOTIONS)


def test_a_fold_with_enough_val_clips_has_a_temperature_of_its_own(stage):
    description, _ = model_folder.load(stage.folder / "model")
    expected = fit_temperature(*of_fold(stage.unscaled["val"], 1))
    assert description.temperatures == [pytest.approx(expected), 1.0, 1.0]
    assert abs(expected - 1) > 0.1
    words = (
        f"fold 1: {expected:.2f}; fold 2: none, with fewer than 20 val clips; "
        "fold 3: none, with fewer than 20 val clips"
    )
    assert f"temperature fitted on val: {words}\n" in stage.said
    assert words in (stage.folder / "model/README.md").read_text()
    assert model_folder.load(stage.folder / "trained")[0].temperatures == [1.0, 1.0, 1.0]


def test_the_predictions_are_scaled_and_name_the_same_emotions(stage):
    table, unscaled = read_csv(stage.folder / "predictions.csv"), stage.unscaled["test"]
    temperatures = model_folder.load(stage.folder / "model")[0].temperatures
    for fold, temperature in zip(FOLDS, temperatures, strict=True):
        expected = scale(of_fold(unscaled, fold)[0], temperature)
        np.testing.assert_allclose(of_fold(table, fold)[0], expected, atol=1e-6)
    assert table["predicted"].tolist() == unscaled["predicted"].tolist()


def test_both_calibration_errors_are_reported(stage):
    figures = read_figures(stage.folder / "evaluate.json")
    scaled = read_csv(stage.folder / "predictions.csv")
    for table, found in ((scaled, figures.ece), (stage.unscaled["test"], figures.ece_unscaled)):
        actual = indices(table["emotion"], EMOTIONS)
        bins = reliability(table[EMOTIONS].to_numpy(float), actual, 10)
        assert found == pytest.approx(expected_calibration_error(bins), abs=1e-5)
    assert figures.ece != figures.ece_unscaled


def test_the_model_answers_without_pytorch_and_the_stage_says_how_closely(stage):
    description = read_description(stage.folder / "model")
    assert description.onnx == onnx_digest(stage.folder / "model", description)
    assert "ONNX file: on 20 test clips, its probabilities differ from PyTorch's by" in stage.said
