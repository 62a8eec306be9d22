"""The train, evaluate and draw stages on clips that are rated in arousal and valence."""

import io
import json

import numpy as np
import pandas as pd
import pytest
from toy_project import (
    EVALUATE_PATHS,
    contents,
    evaluate_here,
    make_project,
    one_split,
    rate,
    results,
    train_here,
)

from ser.core.errors import UserError
from ser.core.store import Store
from ser.core.tables import read_csv, read_header, write_table
from ser.evaluation.prediction import predict_subset
from ser.inference.torch_nets import open_folder
from ser.nets import model_folder
from ser.nets.folder_files import read_description
from ser.training.history import read_history

WEIGHT = {"dimension_weight": 1.0, "mixup": 0.0}


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A project of three folds whose stages have run, its clips, and what evaluate reported."""
    folder = make_project(tmp_path_factory.mktemp("rated"), changes=WEIGHT)
    clips = rate(folder)
    train_here(folder)
    return folder, clips, evaluate_here(folder)


def test_the_nets_learn_the_ratings(trained):
    folder, _, report = trained
    figures = report["dimensions"]
    assert list(figures) == ["arousal", "valence"]
    assert figures["arousal"]["n"] == 18
    assert figures["valence"]["n"] == 9
    for own in figures.values():
        assert own["ccc"] > 0.6
        assert own["ccc_low"] < own["ccc"] < own["ccc_high"]
        assert own["mae_low"] < own["mae"] < own["mae_high"]
        assert own["mae"] < own["mean_mae"]
    assert report["accuracy"] > 0.8
    history = read_csv(folder / "plots/history.csv").apply(pd.to_numeric)
    last = history[history["epoch"] == history["epoch"].max()]
    assert (last["train_ccc"] > 0.6).all()
    assert last["val_ccc"].between(-1, 1).all()
    kept = json.loads((folder / "train.json").read_text())[0]
    assert kept["val_ccc"] == pytest.approx(last["val_ccc"].mean(), abs=1e-5)


def test_the_history_has_the_concordance_of_each_folds_val_clips(trained):
    folder, clips, _ = trained
    description, nets = model_folder.load(folder / "trained")
    table, _ = predict_subset(
        "val",
        clips.reset_index(),
        read_csv(folder / "splits.csv"),
        Store(folder / "features"),
        folder / "trained",
        description,
        nets,
    )
    history = read_csv(folder / "plots/history.csv").apply(pd.to_numeric)
    last = history.groupby("fold")["val_ccc"].last()
    for fold, own in table.groupby("fold"):
        found = [
            lin(*own[[name, f"predicted_{name}"]].dropna().to_numpy(float).T)
            for name in ("arousal", "valence")
        ]
        assert last[fold] == pytest.approx(np.mean(found), abs=1e-5)


def lin(rated, predicted):
    covariances = np.cov(rated, predicted, bias=True)
    apart = np.trace(covariances) + (rated.mean() - predicted.mean()) ** 2
    return 2 * covariances[0, 1] / apart


def test_the_figures_that_are_compared_and_logged_have_the_dimensions(trained):
    folder, _, report = trained
    history = read_csv(folder / "plots/history.csv").apply(pd.to_numeric)
    read = [dict(epoch.figures()) for epoch in read_history(folder / "plots/history.csv")]
    pd.testing.assert_frame_equal(pd.DataFrame(read), history.drop(columns=["fold", "epoch"]))
    assert "val_ccc" in read[-1]
    headline = json.loads((folder / "headline.json").read_text())
    for name, figures in report["dimensions"].items():
        assert headline[f"{name}_ccc"] == figures["ccc"]
        assert headline[f"{name}_mae"] == figures["mae"]


def test_predictions_and_figures_agree(trained):
    folder, clips, report = trained
    table = read_csv(folder / "predictions.csv")
    assert list(table)[-4:] == ["arousal", "valence", "predicted_arousal", "predicted_valence"]
    assert table["predicted_valence"].between(0, 1).all()  # also of clips that are not rated
    expected = clips.loc[table["clip"], "valence"].to_numpy()
    np.testing.assert_allclose(table["valence"], expected, atol=1e-6)
    rated = table[table["valence"].notna()]
    mae = (rated["valence"] - rated["predicted_valence"]).abs().mean()
    assert report["dimensions"]["valence"]["mae"] == pytest.approx(mae, abs=1e-6)
    splits = read_csv(folder / "splits.csv")
    train = splits[splits["subset"] == "train"]
    means = train["clip"].map(clips["arousal"]).groupby(train["fold"]).mean()
    error = (table["fold"].map(means) - table["arousal"]).abs().mean()
    assert report["dimensions"]["arousal"]["mean_mae"] == pytest.approx(error, abs=1e-6)


def test_the_model_answers_as_it_was_evaluated(trained):
    folder, _, _ = trained
    description, nets = open_folder(folder / "model")
    assert description.dimensions == ["arousal", "valence"]
    assert json.loads((folder / "model/model.json").read_text())["format"] == 10
    assert description.onnx  # the ONNX file agrees with PyTorch, also in these outputs
    answers = nets.answer(np.zeros((3, 20, 9), np.float32))
    assert answers.shape == (3, 5)
    np.testing.assert_allclose(answers[:, :3].sum(axis=1), 1, atol=1e-6)


def test_the_card_shows_the_figures_and_their_picture(trained):
    folder, _, report = trained
    card = (folder / "model/README.md").read_text()
    assert f"| arousal | {report['dimensions']['arousal']['ccc']:.2f} (" in card
    assert "](dimensions.png)" in card


def test_a_dimension_that_cannot_be_measured_is_named_as_such(tmp_path):
    folder = make_project(tmp_path / "p", one_split(), WEIGHT | {"epochs": 2})
    clips = rate(folder).reset_index()
    tested = [row["clip"] for row in one_split() if row["subset"] == "test"]
    clips.loc[clips["clip"].isin(tested[1:]), "valence"] = np.nan
    write_table(folder / "clips.csv", clips)
    train_here(folder)
    output = io.StringIO()
    assert list(evaluate_here(folder, output)["dimensions"]) == ["arousal"]
    assert "\nvalence: 1 rated test clip, 2 are needed for figures\n" in output.getvalue()
    card = (folder / "model/README.md").read_text()
    assert "0 is unpleasant, 1 is pleasant" in card
    assert "Too few test clips are rated for figures of valence." in card


def test_a_second_training_has_the_same_bytes(trained, tmp_path):
    folder, _, _ = trained
    again = make_project(tmp_path / "again", changes=WEIGHT)
    rate(again)
    train_here(again)
    assert results(again) == results(folder)


def test_without_a_weight_ratings_change_nothing(tmp_path):
    plain, rated = (make_project(tmp_path / name, one_split(), {"epochs": 3}) for name in "ab")
    rate(rated)
    outputs = []
    for folder in (plain, rated):
        train_here(folder)
        evaluate_here(folder)
        outputs.append(results(folder) | contents(folder / "model"))
        outputs[-1] |= {name: (folder / name).read_bytes() for name in EVALUATE_PATHS[6:9]}
    assert outputs[0] == outputs[1]
    described = json.loads((plain / "model/model.json").read_text())
    assert described["format"] == 9
    assert "dimensions" not in described
    assert "dimension_weight" not in described["model"]
    assert not [name for name in read_header(plain / "plots/history.csv") if "ccc" in name]


@pytest.mark.parametrize("balance", ["upsample", "class_weights"])
def test_copies_and_repeated_and_weighted_clips_keep_their_ratings(tmp_path, balance):
    changes = WEIGHT | {"copies": "all", "balance": balance, "epochs": 20}
    folder = make_project(tmp_path / "p", one_split(), changes)
    rate(folder, valence=False)
    train_here(folder)
    assert read_description(folder / "trained").dimensions == ["arousal"]
    last = read_csv(folder / "plots/history.csv").iloc[-1]
    assert float(last["train_ccc"]) > 0.5


def test_ratings_are_mixed_as_the_clips_are(tmp_path):
    folder = make_project(tmp_path / "p", one_split(), WEIGHT | {"mixup": 0.4, "epochs": 20})
    rate(folder)
    train_here(folder)
    assert float(read_csv(folder / "plots/history.csv").iloc[-1]["train_ccc"]) > 0.3


def test_what_cannot_be_learned_is_refused(tmp_path):
    folder = make_project(tmp_path / "p", one_split(), WEIGHT)
    with pytest.raises(UserError, match=r"none is: add a column arousal or valence to labels\.csv"):
        train_here(folder)
    clips = rate(folder).reset_index()
    clips["arousal"] = 0.5
    write_table(folder / "clips.csv", clips)
    with pytest.raises(UserError, match="fewer than two different ratings of arousal"):
        train_here(folder)
