import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
import transformers

from ser.core.encoders import encoder_columns, encoder_digest
from ser.core.errors import UserError
from ser.core.sections import Features
from ser.features.encoder import encode
from ser.features.extract import dims_of, extract

ROOT = Path(__file__).parents[2]
RATE = 16000
WIDTH = 16
SIZE = {
    "hidden_size": WIDTH,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 24,
    "conv_dim": (8,) * 7,
    "num_conv_pos_embeddings": 16,
    "num_conv_pos_embedding_groups": 2,
}
WHISPER = {
    "d_model": WIDTH,
    "encoder_layers": 2,
    "decoder_layers": 1,
    "encoder_attention_heads": 2,
    "decoder_attention_heads": 2,
    "encoder_ffn_dim": 24,
    "decoder_ffn_dim": 24,
    "vocab_size": 60,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "decoder_start_token_id": 3,
    "num_mel_bins": 80,
}
NAMES = {"wav2vec2": "Wav2Vec2", "hubert": "Hubert", "wavlm": "WavLM", "whisper": "Whisper"}


def write_encoder(folder, kind, seed=0, rate=RATE):
    """Write a tiny encoder with random weights, as transformers stores it; return the net."""
    torch.manual_seed(seed)
    name = NAMES[kind]
    config = getattr(transformers, f"{name}Config")(**WHISPER if kind == "whisper" else SIZE)
    net = getattr(transformers, f"{name}Model")(config).eval()
    net.save_pretrained(folder)
    if kind == "whisper":
        transformers.WhisperFeatureExtractor(sampling_rate=rate).save_pretrained(folder)
    else:
        transformers.Wav2Vec2FeatureExtractor(sampling_rate=rate).save_pretrained(folder)
    return net


@pytest.fixture(scope="module", params=NAMES)
def encoder(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("encoder") / request.param
    return folder, write_encoder(folder, request.param)


@pytest.fixture
def folder(tmp_path):
    write_encoder(tmp_path / "wavlm", "wavlm")
    return tmp_path / "wavlm"


def features(folder, layer="mean"):
    values = {"n_fft": 1024, "win_length": 512, "hop_length": 256, "n_mels": 40, "n_mfcc": 20}
    values |= {"fmin": 50.0, "fmax": 8000.0, "top_db": 80.0}
    return Features(kinds=["encoder"], **values, encoder=str(folder), encoder_layer=layer)


def noise(samples=2 * RATE, seed=0):
    return np.random.default_rng(seed).normal(0, 0.1, samples).astype(np.float32)


def hidden_states(folder, net, waveform):
    """Compute the states of all layers by transformers alone: [layers, frames, width]."""
    prepare = transformers.AutoFeatureExtractor.from_pretrained(folder)
    given = prepare(waveform, sampling_rate=RATE, return_tensors="pt")
    with torch.no_grad():
        if "whisper" in folder.name:
            made = net.get_encoder()(given["input_features"], output_hidden_states=True)
        else:
            made = net(given["input_values"], output_hidden_states=True)
    return torch.stack(made.hidden_states)[:, 0].numpy()


@pytest.mark.parametrize("kind", ["wavlm", "whisper"])
def test_an_encoder_in_half_precision_is_computed_in_single(tmp_path, kind):
    net = write_encoder(tmp_path / kind, kind)
    exact = hidden_states(tmp_path / kind, net, noise())
    net.half().save_pretrained(tmp_path / kind)
    config = json.loads((tmp_path / kind / "config.json").read_text())
    assert "float16" in (config.get("dtype"), config.get("torch_dtype"))
    found = encode(noise(), RATE, features(tmp_path / kind))
    states = exact[:, :100] if kind == "whisper" else exact
    np.testing.assert_allclose(found[0, :WIDTH], states.mean(axis=(0, 1)), atol=1e-2)


def test_weights_outside_of_the_folder_are_refused(folder):
    index = folder / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": {"a": "../other.safetensors"}}))
    with pytest.raises(UserError, match=r"names \.\./other\.safetensors, which is no file"):
        encoder_columns(features(folder))


def test_the_list_of_the_files_of_weights_is_part_of_the_digest(folder):
    index = folder / "model.safetensors.index.json"
    digests = set()
    for names in ({}, {"a": "model.safetensors"}):
        index.write_text(json.dumps({"weight_map": names}))
        digests.add(encoder_digest(features(folder)))
    assert len(digests) == 2


def test_a_config_that_transformers_refuses_is_a_sentence(folder):
    (folder / "config.json").write_text(
        json.dumps(json.loads((folder / "config.json").read_text()) | {"num_hidden_layers": "2"})
    )
    with pytest.raises(UserError, match="holds no usable encoder"):
        encode(noise(), RATE, features(folder))


@pytest.mark.parametrize("layer", ["mean", 0, 2])
def test_a_clip_is_mean_and_deviation_of_the_encoders_states(encoder, layer):
    folder, net = encoder
    states = hidden_states(folder, net, noise())
    if folder.name == "whisper":
        assert states.shape[1] == 1500  # 30 s, of which the clip has 2
        states = states[:, :100]
    chosen = states.mean(axis=0) if layer == "mean" else states[layer]
    found = encode(noise(), RATE, features(folder, layer))
    assert found.dtype == np.float32
    assert found.shape == (1, encoder_columns(features(folder))) == (1, 2 * WIDTH)
    expected = np.concatenate([chosen.mean(axis=0), chosen.std(axis=0)])
    np.testing.assert_allclose(found[0], expected, atol=1e-5)


def test_a_clip_of_more_than_30_s_is_encoded_in_pieces(encoder):
    folder, net = encoder
    long = noise(30 * RATE + 8000)
    pieces = [long[: 30 * RATE], long[30 * RATE :]]
    states = np.concatenate(
        [
            hidden_states(folder, net, piece)[2][: -(-len(piece) // 320)]
            if folder.name == "whisper"
            else hidden_states(folder, net, piece)[2]
            for piece in pieces
        ]
    )
    expected = np.concatenate([states.mean(axis=0), states.std(axis=0)])
    np.testing.assert_allclose(encode(long, RATE, features(folder, 2))[0], expected, atol=1e-5)


@pytest.mark.parametrize("samples", [1, 399, 400, 5000])
def test_any_clip_has_finite_features(encoder, samples):
    folder, _ = encoder
    assert np.isfinite(encode(noise(samples), RATE, features(folder))).all()
    assert np.isfinite(encode(np.zeros(samples, np.float32), RATE, features(folder))).all()


def test_an_encoder_gets_16_khz(encoder):
    folder, _ = encoder
    times = np.arange(2 * 48000) / 48000
    sound = (0.3 * np.sin(2 * np.pi * 300 * times)).astype(np.float32)
    found = encode(sound, 48000, features(folder))
    np.testing.assert_allclose(found, encode(sound[::3], RATE, features(folder)), atol=0.02)


def test_the_number_of_threads_changes_no_byte(encoder):
    folder, _ = encoder
    before = torch.get_num_threads()
    made = []
    for threads in (1, 2):
        torch.set_num_threads(threads)
        made.append(encode(noise(), RATE, features(folder)).tobytes())
        assert torch.get_num_threads() == threads
    torch.set_num_threads(before)
    assert made[0] == made[1]


def test_it_is_stacked_with_other_kinds_of_clips(folder):
    f = features(folder).model_copy(update={"kinds": ["egemaps", "encoder"]})
    assert dims_of(f) == {"egemaps": 88, "encoder": 2 * WIDTH}
    found = extract(noise(), RATE, f, {})
    assert found.shape == (1, 88 + 2 * WIDTH)
    assert np.array_equal(found[:, 88:], encode(noise(), RATE, features(folder)))


def test_another_encoder_has_another_digest(tmp_path):
    digests = []
    for seed in (0, 0, 1):
        folder = tmp_path / str(len(digests))
        write_encoder(folder, "wavlm", seed)
        digests.append(encoder_digest(features(folder)))
    edit(folder / "preprocessor_config.json", do_normalize=False)
    digests.append(encoder_digest(features(folder)))
    assert digests[0] == digests[1]
    assert len(set(digests)) == 3


def edit(path, **changes):
    values = json.loads(path.read_text())
    path.write_text(json.dumps(values | changes))


def only_pickles(folder):
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (shutil.rmtree, "a folder with the config.json of an encoder"),
        (lambda f: (f / "model.safetensors").unlink(), "weights in *.safetensors are expected"),
        (only_pickles, "there are only pytorch_model.bin, a pickle, which could run code"),
        (
            lambda f: edit(f / "preprocessor_config.json", sampling_rate=8000),
            "is for recordings of 8000 Hz, 16000 Hz is expected",
        ),
        (lambda f: (f / "preprocessor_config.json").unlink(), "preprocessor_config.json cannot be"),
        (lambda f: (f / "config.json").write_text("{"), "config.json cannot be read"),
        (lambda f: (f / "config.json").write_text("[]"), "holds no encoder of the kinds wav2vec2,"),
        (
            lambda f: edit(f / "config.json", model_type="bert"),
            "config.json says model_type 'bert'",
        ),
        (lambda f: edit(f / "config.json", hidden_size=10**9), "with a width of 1000000000"),
    ],
)
def test_a_folder_that_is_no_such_encoder_is_refused_before_any_work(folder, change, said):
    change(folder)
    with pytest.raises(UserError) as refused:
        encoder_columns(features(folder))
    assert said in str(refused.value)
    assert str(folder) in str(refused.value)


def test_a_layer_that_there_is_not_is_refused(folder):
    with pytest.raises(UserError, match=r"encoder_layer 3: .* has the layers 0 to 2"):
        encoder_columns(features(folder, 3))


def test_damaged_and_missing_weights_are_refused(tmp_path):
    from safetensors.torch import load_file, save_file

    for name in ("cut", "fewer"):
        write_encoder(tmp_path / name, "wavlm")
        path = tmp_path / name / "model.safetensors"
        if name == "cut":
            path.write_bytes(path.read_bytes()[:-100])
        else:
            kept = load_file(path)
            del kept["encoder.layers.1.final_layer_norm.weight"]
            save_file(kept, path, {"format": "pt"})
    with pytest.raises(UserError, match="holds no usable encoder"):
        encode(noise(), RATE, features(tmp_path / "cut"))
    with pytest.raises(UserError, match=r"1 weights are missing, such as encoder\.layers\.1"):
        encode(noise(), RATE, features(tmp_path / "fewer"))


def test_loading_says_nothing(folder, capfd):
    encode(noise(), RATE, features(folder))
    assert capfd.readouterr() == ("", "")


OFFLINE = """
import socket
socket.getaddrinfo = socket.create_connection = lambda *a, **k: print("asked")
import numpy as np
from ser.core.errors import UserError
from ser.core.sections import Features
from ser.core.encoders import encoder_columns
from ser.features.encoder import encode
for values in VALUES:
    try:
        f = Features(**values)
        print(encoder_columns(f), encode(np.zeros(16000, np.float32), 16000, f).shape)
    except UserError as error:
        print(error)
"""


def run_offline(cache, *encoders):
    """Encode a clip with each of some encoders; return the lines that this prints."""
    values = [features(encoder).model_dump() for encoder in encoders]
    done = subprocess.run(
        [sys.executable, "-c", OFFLINE.replace("VALUES", repr(values))],
        cwd=ROOT,
        env=os.environ | {"HF_HOME": str(cache)},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.splitlines()


def test_nothing_is_downloaded(folder, tmp_path):
    revision = "0123456789" * 4
    there, absent = f"some/wavlm@{revision}", f"nobody/nothing@{revision}"
    snapshot = tmp_path / f"hub/models--some--wavlm/snapshots/{revision}"
    shutil.copytree(folder, snapshot)
    assert run_offline(tmp_path, folder, there, absent) == [
        *2 * [f"{2 * WIDTH} (1, {2 * WIDTH})"],
        f"features.encoder {absent!r} has not been downloaded: `hf download nobody/nothing "
        f"--revision {revision}`; nothing is downloaded here",
    ]
