"""Features of a frozen speech encoder go through the real pipeline, and answer for recordings."""

import json
import shutil
import subprocess

import pytest
import transformers
from small_model import RATE, speech
from small_project import environment, make_small_project, use_part_of_demo

from scripts.workspace import change_params, dvc
from ser.core.errors import UserError
from ser.core.store import Store
from ser.use.loading import load

WIDTH = 16
CHANGES = {
    "features": {"kinds": ["encoder"], "encoder_layer": 1},
    "augment": {"copies": 1, "crop": {"probability": 1.0}},
    "model": {"name": "mlp", "crop": {"probability": 0.0}},
}

pytestmark = pytest.mark.usefixtures("one_thread")


def repro(project, *arguments, ok=True, **variables):
    done = dvc(
        project,
        "repro",
        *arguments,
        env=environment(project) | variables,
        stdout=-1,
        stderr=subprocess.STDOUT,
    )
    assert (done.returncode == 0) == ok, done.stdout
    assert "Traceback" not in done.stdout
    return done.stdout


@pytest.fixture(scope="module")
def encoder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("encoder") / "hubert"
    config = transformers.HubertConfig(
        hidden_size=WIDTH,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=24,
        conv_dim=(8,) * 7,
        num_conv_pos_embeddings=16,
        num_conv_pos_embedding_groups=2,
    )
    transformers.HubertModel(config).save_pretrained(folder)
    transformers.Wav2Vec2FeatureExtractor().save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def project(tmp_path_factory, stage_results, encoder):
    folder = make_small_project(tmp_path_factory.mktemp("encoded") / "project", stage_results)
    use_part_of_demo(folder)
    change_params(folder / "params.yaml", CHANGES)
    change_params(folder / "params.yaml", {"features": {"encoder": str(encoder)}})
    output = repro(folder, "evaluate", SER_WORKERS="2")
    assert f"frames of {2 * WIDTH} encoder values" in output
    return folder


def test_processes_write_the_same_bytes(project):
    before = {
        name: (project / "data" / name / "values.npy").read_bytes()
        for name in ("features", "augmented")
    }
    assert Store(project / "data/augmented").meta["dims"] == {"encoder": 2 * WIDTH}
    repro(project, "--force", "--single-item", "extract", "augment", SER_WORKERS="1")
    for name, content in before.items():
        assert (project / "data" / name / "values.npy").read_bytes() == content


def test_the_model_answers_for_recordings(project):
    recogniser = load(project / "data/model")
    told = recogniser.predict(speech(3), RATE)
    assert sum(told.probabilities.values()) == pytest.approx(1)
    assert recogniser.features(recogniser.waveform(speech(3), RATE)).shape == (1, 2 * WIDTH)


def test_what_was_trained_on_other_data_is_labelled(project, encoder):
    (figures,) = json.loads((project / "metrics/evaluate.json").read_text())
    assert figures["pretrained_encoder"] == str(encoder)
    card = (project / "data/model/README.md").read_text("utf-8")
    assert "The features are pre-trained: mean and deviation of its layer 1 of the" in card


def test_another_encoder_in_its_place_is_refused(project, encoder, tmp_path):
    shutil.copytree(encoder, tmp_path / "kept")
    try:
        transformers.HubertModel(
            transformers.HubertConfig.from_pretrained(encoder)
        ).save_pretrained(encoder)
        with pytest.raises(UserError, match="is not the one that the model was trained"):
            load(project / "data/model")
        shutil.rmtree(encoder)
        with pytest.raises(UserError, match=r"a folder with the config\.json of an encoder"):
            load(project / "data/model")
    finally:
        shutil.copytree(tmp_path / "kept", encoder, dirs_exist_ok=True)


def test_an_encoder_that_is_not_there_is_missed_before_anything_runs(project, encoder):
    change_params(project / "params.yaml", {"features": {"encoder": "nowhere"}})
    output = repro(project, ok=False)
    assert "error: features.encoder 'nowhere': a folder with the config.json" in output
    assert "Nothing was run, and nothing was removed." in output
    change_params(project / "params.yaml", {"features": {"encoder": str(encoder)}})
