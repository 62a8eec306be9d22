import json
import re
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pandas as pd
import pytest
import soundfile
import soxr
from small_model import CORPUS, EMOTIONS, RATE, make, speech

from ser.core.errors import UserError
from ser.core.params import load as load_params
from ser.core.recording import Recording, SamplesDigest
from ser.core.rejection import Rejected
from ser.core.store import Store, StoreWriter
from ser.decoding.decoding import decode
from ser.evaluation.prediction import predict_subset
from ser.evaluation.temperature import scale_predictions
from ser.features.extract import extract
from ser.nets import model_folder
from ser.nets.build import NETS
from ser.use.loading import load

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """A model of three folds."""
    folder = tmp_path_factory.mktemp("model")
    make(folder, folds=(2, 5, 9))
    return folder


@pytest.fixture(scope="module")
def recogniser(model):
    return load(model)


@pytest.fixture
def wav(tmp_path):
    soundfile.write(tmp_path / "a.wav", speech(3), RATE, subtype="FLOAT")
    return tmp_path / "a.wav"


def shares(prediction):
    return np.array(list(prediction.probabilities.values()))


def rejection(recogniser, samples, **kwargs):
    with pytest.raises(Rejected) as caught:
        recogniser.predict(samples, RATE, **kwargs)
    return caught.value.reason


# Recordings in memory and in files


def test_a_file_and_its_samples_get_the_same_answer(recogniser, wav):
    from_file, in_memory = recogniser.predict_file(wav), recogniser.predict(speech(3), RATE)
    assert from_file == in_memory
    assert from_file == recogniser.predict_file(str(wav))
    assert list(from_file.probabilities) == recogniser.emotions == EMOTIONS
    assert shares(from_file).sum() == pytest.approx(1, abs=1e-6)
    assert from_file.emotion == EMOTIONS[shares(from_file).argmax()]
    assert from_file.seconds == len(speech(3)) / RATE
    assert from_file.windows == ()


def test_samples_may_be_integers_or_doubles_or_of_several_channels(recogniser):
    samples = speech(3)
    expected = recogniser.predict(samples, RATE)
    for other in (
        np.round(samples * 2**15).astype(np.int16),
        np.round(samples * 2**15).astype(">i2"),
        np.round(samples.astype(float) * 2**31).astype(np.int32),
        samples.astype(float),
        samples[:, np.newaxis],
        np.stack([samples, samples], axis=1),
    ):
        np.testing.assert_allclose(
            shares(recogniser.predict(other, RATE)), shares(expected), atol=1e-6
        )


@pytest.mark.parametrize(
    "samples",
    [
        np.zeros((2, 2, 2), np.float32),
        np.zeros((9, 0)),
        np.zeros(9, np.uint8),
        np.array(1.0),
        np.zeros(9, bool),
        np.zeros((2, 16000)),  # channels first
    ],
)
def test_samples_of_another_form_are_refused(recogniser, samples):
    with pytest.raises(UserError, match="samples of shape"):
        recogniser.predict(samples, RATE)


def test_no_samples_at_all_are_rejected(recogniser):
    for form in ((0,), (0, 1), (0, 2)):
        assert rejection(recogniser, np.zeros(form, np.float32)) == "zero_length"


# Folds


def test_the_nets_of_several_folds_answer_by_their_mean(model, recogniser):
    each = [shares(load(model, fold).predict(speech(3), RATE)) for fold in (2, 5, 9)]
    assert np.ptp(each, axis=0).max() > 1e-3
    np.testing.assert_allclose(
        shares(recogniser.predict(speech(3), RATE)), np.mean(each, axis=0), atol=1e-7
    )


def test_a_fold_that_is_not_there_is_refused(model):
    with pytest.raises(UserError, match="no fold 3: it has 2, 5, 9"):
        load(model, 3)


# As in the evaluation


def evaluated(folder, project, names):
    """The evaluation's probabilities of demo clips, with each fold tested on all of them."""
    project.mkdir()
    recogniser = load(folder)
    description, made = recogniser.description, recogniser.description.preprocessing
    rows = []
    width, meta = sum(made.dims.values()), made.model_dump(mode="json")
    with StoreWriter(project / "features", (width,), meta) as store:
        for name in names:
            soundfile.write(project / f"{name}.wav", speech(name), RATE, subtype="PCM_16")
            waveform = recogniser.waveform(speech(name), RATE)
            store.add(f"demo/{name}", extract(waveform, RATE, made.features, made.banks))
            rows.append({"clip": f"demo/{name}", "corpus": "demo", "speaker": "1"})
    clips = pd.DataFrame(rows).assign(emotion="sad")
    splits = pd.concat(clips[["clip"]].assign(fold=f, subset="test") for f in description.folds)
    _, nets = model_folder.load(folder)
    table, _ = predict_subset(
        "test", clips, splits, Store(project / "features"), folder, description, nets
    )
    temperatures = dict(zip(description.folds, description.temperatures, strict=True))
    table = scale_predictions(table, temperatures, EMOTIONS)
    return {
        (row["clip"], row["fold"]): row[EMOTIONS].to_numpy(float) for _, row in table.iterrows()
    }


NUMBERS = [0, 30, 60, 110, 160, 210]
OF_WHOLE_CLIPS = ("mlp", "logistic_regression", "svm", "gradient_boosting")


@pytest.mark.parametrize("normalisation", ["clip", "train", "speaker"])
@pytest.mark.parametrize("name", NETS)
def test_the_probabilities_are_those_of_the_evaluation(tmp_path, name, normalisation, monkeypatch):
    if name in OF_WHOLE_CLIPS and normalisation == "clip":
        pytest.skip("functionals of a clip have no deviation within it")
    monkeypatch.setenv("SER_DEVICE", "cpu")
    make(tmp_path / "model", name, (1, 2), temperatures=[0.8, 2.0], normalisation=normalisation)
    expected = evaluated(tmp_path / "model", tmp_path / "project", NUMBERS)
    for fold in (1, 2):
        recogniser = load(tmp_path / "model", fold)
        if normalisation == "speaker":
            with pytest.raises(UserError, match="one-speaker"):
                recogniser.predict(speech(0), RATE)
            recogniser.adapt(Recording(speech(n)[:, np.newaxis], RATE, "") for n in NUMBERS)
        for number in NUMBERS:
            prediction = recogniser.predict_file(tmp_path / "project" / f"{number}.wav")
            assert prediction.windows == ()
            # The sums over a clip alone are rounded otherwise than those over a batch.
            np.testing.assert_allclose(
                shares(prediction), expected[f"demo/{number}", fold], atol=3e-5
            )


@pytest.mark.parametrize("name", ["mlp", "statpool"])
def test_too_few_recordings_of_a_speaker_are_refused(tmp_path, name):
    make(tmp_path, name, normalisation="speaker")
    recogniser = load(tmp_path)
    few = [Recording(speech(n)[:, np.newaxis], RATE, "") for n in range(4)]
    silent = Recording(np.zeros((RATE, 1), np.float32), RATE, "")
    with pytest.raises(UserError, match="4 usable recordings of the speaker"):
        recogniser.adapt([*few, silent, silent])
    assert recogniser.needs_a_voice


@pytest.mark.parametrize("normalisation", ["clip", "train"])
def test_a_model_that_knows_no_voices_cannot_be_adapted(tmp_path, normalisation):
    make(tmp_path, normalisation=normalisation)
    recogniser = load(tmp_path)
    with pytest.raises(UserError, match="does not adapt to a voice"):
        recogniser.adapt([Recording(speech(3)[:, np.newaxis], RATE, "")])


def recordings_of(*numbers):
    return [Recording(speech(n)[:, np.newaxis], RATE, "") for n in numbers]


def test_a_model_leans_towards_a_voice_by_as_few_as_one_recording(tmp_path):
    make(tmp_path, "statpool", (1, 2), normalisation="train")
    recogniser, other = load(tmp_path), load(tmp_path)
    before = shares(recogniser.predict(speech(3), RATE))
    assert recogniser.adapt(recordings_of(10)) == 1
    one = shares(recogniser.predict(speech(3), RATE))
    silent = Recording(np.zeros((RATE, 1), np.float32), RATE, "")
    assert recogniser.adapt([*recordings_of(10, 60), silent]) == 2
    two = shares(recogniser.predict(speech(3), RATE))
    assert len({tuple(answer) for answer in (before, one, two)}) == 3
    # Another voice takes its place.
    other.adapt(recordings_of(10, 60))
    np.testing.assert_array_equal(shares(other.predict(speech(3), RATE)), two)


def test_many_voices_are_known_at_once_with_the_weights_in_common(tmp_path):
    make(tmp_path, "statpool", (1, 2), normalisation="train")
    recogniser = load(tmp_path)
    before = shares(recogniser.predict(speech(3), RATE))
    voices = [[recogniser.enrol(each) for each in recordings_of(*n)] for n in ((10,), (60, 110))]
    adapted = [recogniser.adapted_to(voice) for voice in voices]
    for numbers, one in zip(((10,), (60, 110)), adapted, strict=True):
        other = load(tmp_path)
        other.adapt(recordings_of(*numbers))
        expected = shares(other.predict(speech(3), RATE))
        np.testing.assert_array_equal(shares(one.predict(speech(3), RATE)), expected)
        assert len(one.enrolled) == len(numbers)
    np.testing.assert_array_equal(shares(recogniser.predict(speech(3), RATE)), before)
    # From another voice, too, it begins with the model as it was trained.
    again = adapted[0].adapted_to(voices[1]).predict(speech(3), RATE)
    assert again == adapted[1].predict(speech(3), RATE)


def test_of_what_is_no_speech_nothing_is_kept(tmp_path):
    make(tmp_path, "statpool", normalisation="train")
    noise = np.random.default_rng(0).normal(0, 0.1, (2 * RATE, 1)).astype(np.float32)
    for samples, reason in ((noise, "no_speech"), (np.zeros_like(noise), "silent")):
        with pytest.raises(Rejected) as caught:
            load(tmp_path).enrol(Recording(samples, RATE, ""))
        assert caught.value.reason == reason


@pytest.mark.parametrize("seconds", [None, 5.0])
def test_a_voice_of_another_band_than_the_recording_is_warned_of(tmp_path, seconds):
    make(tmp_path, "statpool", normalisation="train")
    recogniser = load(tmp_path)
    wide = speech(3, seconds)
    narrow = soxr.resample(soxr.resample(wide, RATE, 8000), 8000, RATE)
    told = {}
    for voice in ("wide", "narrow", "both"):
        recordings = [
            Recording(samples[:, np.newaxis], RATE, "")
            for name, samples in (("wide", wide), ("narrow", narrow))
            if voice in (name, "both")
        ]
        recogniser.adapt(recordings)
        for name, samples in (("wide", wide), ("narrow", narrow)):
            told[voice, name] = recogniser.predict(samples, RATE).note
    assert told["wide", "wide"] is told["narrow", "narrow"] is told["both", "wide"] is None
    assert "those of the voice reach above 4200 Hz" in told["wide", "narrow"]
    assert "those of the voice hold nothing above 4200 Hz" in told["narrow", "wide"]


def test_without_a_usable_recording_it_stays_as_it_is(tmp_path):
    make(tmp_path, "statpool", normalisation="train")
    recogniser = load(tmp_path)
    before = recogniser.predict(speech(3), RATE)
    silent = Recording(np.zeros((RATE, 1), np.float32), RATE, "")
    with pytest.raises(UserError, match=r"0 usable recordings .* it needs at least 1"):
        recogniser.adapt([silent])
    assert recogniser.predict(speech(3), RATE) == before


# Long recordings


def conversation():
    """Two seconds each of speech, silence, speech and noise."""
    noise = 0.05 * np.random.default_rng(0).standard_normal(2 * RATE)
    return np.concatenate([speech(0, 2.0), np.zeros(2 * RATE), speech(60, 2.0), noise]).astype(
        np.float32
    )


def test_a_long_recording_is_cut_into_windows_as_long_as_the_median_clip(recogniser):
    prediction = recogniser.predict(speech(0, 5.0), RATE)
    assert [(w.start, w.end) for w in prediction.windows] == [
        (0, 1.5), (0.75, 2.25), (1.5, 3.0), (2.25, 3.75), (3.0, 4.5), (3.5, 5.0)
    ]  # fmt: skip
    assert prediction.seconds == 5


def test_a_recording_up_to_the_longest_clip_is_not_cut(recogniser):
    longest = CORPUS["seconds"]["max"]
    assert recogniser.predict(speech(0, longest), RATE).windows == ()
    assert len(recogniser.predict(speech(0, longest + 0.01), RATE).windows) == 2


def test_each_window_is_answered_as_if_it_were_alone(recogniser):
    samples = speech(0, 5.0)
    prediction = recogniser.predict(samples, RATE, window=1.0, hop=0.7)
    assert len(prediction.windows) == 7
    for window in prediction.windows:
        part = samples[round(window.start * RATE) : round(window.end * RATE)]
        alone = recogniser.predict(part, RATE)
        np.testing.assert_allclose(list(window.probabilities.values()), shares(alone), atol=1e-6)
    told = [list(w.probabilities.values()) for w in prediction.windows]
    # Windows at 0, 0.7, ... 3.5 s and the last one at 4 s: of 5 s, the first stands for 0.7 s that
    # are its own and half of 0.3 s, and so on.
    stands_for = [0.85, 0.7, 0.7, 0.7, 0.7, 0.6, 0.75]
    assert sum(stands_for) == pytest.approx(5.0)
    expected = np.average(told, axis=0, weights=stands_for)
    np.testing.assert_allclose(shares(prediction), expected, atol=1e-9)


def test_the_end_of_a_long_recording_counts_once(recogniser):
    prediction = recogniser.predict(speech(0, 5.0), RATE, window=2.0, hop=2.0)
    assert [w.start for w in prediction.windows] == [0, 2, 3]
    told = [list(w.probabilities.values()) for w in prediction.windows]
    expected = np.average(told, axis=0, weights=[2, 1.5, 1.5])
    np.testing.assert_allclose(shares(prediction), expected, atol=1e-9)


def test_windows_without_speech_are_marked_and_do_not_count(recogniser):
    prediction = recogniser.predict(conversation(), RATE, window=1.0, hop=1.0)
    reasons = [w.reason for w in prediction.windows]
    assert reasons == [None, None, "silent", "silent", None, None, "no_speech", "no_speech"]
    assert [w.emotion is None for w in prediction.windows] == [bool(r) for r in reasons]
    told = [list(w.probabilities.values()) for w in prediction.windows if w.probabilities]
    np.testing.assert_allclose(shares(prediction), np.mean(told, axis=0), atol=1e-9)


def test_a_long_file_gets_the_same_windows_as_its_samples(recogniser, tmp_path):
    path = tmp_path / "long.flac"
    soundfile.write(path, conversation(), RATE, subtype="PCM_16")
    samples = decode(path).samples
    assert recogniser.predict_file(path) == recogniser.predict(samples, RATE)


def test_a_long_recording_in_which_nobody_speaks_is_rejected(recogniser):
    noise = 0.05 * np.random.default_rng(0).standard_normal(5 * RATE)
    assert rejection(recogniser, np.zeros(5 * RATE)) == "silent"
    assert rejection(recogniser, noise) == "no_speech"
    assert rejection(recogniser, np.concatenate([noise, np.zeros(5 * RATE)])) == "no_speech"


@pytest.mark.parametrize(
    ("samples", "reason"),
    [
        (np.zeros(RATE), "silent"),
        (speech(0)[: RATE // 4], "too_short"),
        (np.clip(50 * speech(0), -1, 1), "clipped"),
        (np.full(RATE, np.nan), "not_finite"),
        (0.05 * np.random.default_rng(0).standard_normal(RATE), "no_speech"),
        (0.5 * np.sin(np.arange(RATE) * 2 * np.pi * 50 / RATE), "no_speech"),
    ],
)
def test_a_short_recording_of_no_use_is_rejected(recogniser, samples, reason):
    assert rejection(recogniser, samples) == reason


@pytest.mark.parametrize("window", [0, -1, 0.49, np.inf, np.nan])
def test_windows_that_cannot_be_are_refused(recogniser, window):
    with pytest.raises(UserError, match="a window of"):
        recogniser.windows(window)


@pytest.mark.parametrize("hop", [0, -1, 0.001, np.inf, np.nan])
def test_hops_that_cannot_be_are_refused(recogniser, hop):
    with pytest.raises(UserError, match="a hop of"):
        recogniser.windows(1.0, hop)


@pytest.mark.parametrize(("window", "hop"), [(1.0, 1.001), (4.0, 5.0), (None, 2.0)])
def test_a_hop_beyond_the_window_would_skip_audio_and_is_refused(recogniser, window, hop):
    assert recogniser.windows(1.0, 1.0).hop == 1.0
    length = window or CORPUS["seconds"]["median"]
    said = f"a hop of {hop:g} s would skip audio: at most the window's {length:g} s"
    with pytest.raises(UserError, match=re.escape(said)):
        recogniser.predict(speech(3), RATE, window, hop)


def test_a_recording_longer_than_is_wanted_is_rejected(recogniser, tmp_path):
    path = tmp_path / "long.flac"
    soundfile.write(path, speech(0, 5.0), RATE)
    assert recogniser.predict_file(path, longest=5.0).seconds == 5
    with pytest.raises(Rejected) as caught:
        recogniser.predict_file(path, longest=4.9)
    assert caught.value.reason == "too_long"


def test_recordings_of_any_rate_are_understood(recogniser):
    samples = np.repeat(speech(3), 3)
    assert recogniser.predict(samples, 3 * RATE).seconds == pytest.approx(len(speech(3)) / RATE)


@pytest.mark.parametrize(
    "rate", [0, -16000, 3, 10**9, 44100.7, float("nan"), float("inf"), "16000", None, np.array([9])]
)
def test_a_rate_that_no_recording_has_is_refused(recogniser, rate):
    with pytest.raises(UserError, match=re.escape(f"a rate of {rate} Hz")):
        recogniser.predict(speech(3), rate)


def test_several_threads_may_ask_at_once(recogniser):
    rng = np.random.default_rng(0)
    noise = rng.normal(0, 0.1, 3 * RATE).astype(np.float32)
    asked = [speech(i % 50) if i % 3 else noise for i in range(40)]

    def ask(samples):
        try:
            return recogniser.predict(samples, RATE).probabilities
        except Rejected as verdict:
            return verdict.reason

    with ThreadPoolExecutor(4) as threads:
        assert list(threads.map(ask, asked)) == [ask(samples) for samples in asked]


@pytest.mark.parametrize(
    ("rate", "doubt"), [(16_000, None), (44_100, None), (15_999, "15999 Hz"), (8_000, "8000 Hz")]
)
def test_a_recording_without_the_models_frequencies_gets_a_warning(recogniser, rate, doubt):
    note = recogniser.predict(soxr.resample(speech(3), RATE, rate), rate).note
    assert note is None if doubt is None else doubt in note


TRAINED = "the model was trained on this recording"


@pytest.fixture(scope="module")
def trained_on(tmp_path_factory):
    """A model of three folds: the first two learned from clip 3, the first from clip 60."""
    digests = {}
    for number in (3, 60):
        digest = SamplesDigest(RATE)
        digest.update(speech(number))
        digests[number] = digest.hex()
    folder = tmp_path_factory.mktemp("trained")
    make(folder, folds=(2, 5, 9), trained_on=[digests.values(), [digests[3]], []])
    return folder


def warned(prediction):
    return prediction.note is not None and TRAINED in prediction.note


def test_a_recording_that_the_model_was_trained_on_is_pointed_out(trained_on, tmp_path):
    recogniser = load(trained_on)
    assert [warned(recogniser.predict(speech(n), RATE)) for n in (3, 60, 0)] == [True, True, False]
    # Of several folds, it counts whether any of those that answer has heard it.
    for fold, heard in ((2, [True, True]), (5, [True, False]), (9, [False, False])):
        alone = load(trained_on, fold)
        assert [warned(alone.predict(speech(n), RATE)) for n in (3, 60)] == heard
    # In windows, and from a file.
    prediction = recogniser.predict(speech(3), RATE, window=0.5)
    assert prediction.windows
    assert warned(prediction)
    soundfile.write(tmp_path / "a.wav", speech(3), RATE, subtype="FLOAT")
    assert warned(recogniser.predict_file(tmp_path / "a.wav"))


def test_a_changed_copy_of_a_training_clip_is_not_known_again(trained_on, tmp_path):
    recogniser = load(trained_on)
    soundfile.write(tmp_path / "lossy.ogg", speech(3), RATE)
    assert recogniser.predict_file(tmp_path / "lossy.ogg").note is None
    assert recogniser.predict(speech(3)[:-1], RATE).note is None
    assert recogniser.predict(soxr.resample(speech(3), RATE, 22050), 22050).note is None


def test_a_recording_may_have_two_warnings(tmp_path):
    telephone = soxr.resample(speech(3), RATE, 8000)
    digest = SamplesDigest(8000)
    digest.update(telephone)
    make(tmp_path, trained_on=[[digest.hex()]])
    low, trained = load(tmp_path).predict(telephone, 8000).note.split("; ")
    assert low.startswith("sampled at 8000 Hz")
    assert trained.startswith(TRAINED)


@pytest.fixture
def knows_lines(tmp_path):
    """A model that was trained on copies recorded anew, also over telephone lines."""
    description, _ = make(tmp_path)
    augment = load_params().augment
    recording = augment.recording.model_copy(update={"probability": 0.5})
    told = description.model_copy(
        update={"augment": augment.model_copy(update={"copies": 1, "recording": recording})}
    )
    (tmp_path / "model.json").write_text(told.to_json())
    return load(tmp_path)


def test_narrow_recordings_get_the_band_of_the_lines_in_training(knows_lines):
    narrow = soxr.resample(speech(3), RATE, 8000)
    # Also one that is stored at a higher rate.
    for samples, rate in ((narrow, 8000), (soxr.resample(narrow, 8000, RATE), RATE)):
        spectrum = np.abs(np.fft.rfft(knows_lines.waveform(samples, rate)))
        hertz = np.fft.rfftfreq(2 * len(spectrum) - 2, 1 / RATE)
        plain = np.abs(np.fft.rfft(soxr.resample(samples, rate, RATE)))[: len(spectrum)]
        low, middle = ((hertz > 90) & (hertz < 150), (hertz > 700) & (hertz < 2500))
        lost = [spectrum[band].std() / plain[band].std() for band in (low, middle)]
        assert 20 * np.log10(lost[0] / lost[1]) < -24
        assert knows_lines.predict(samples, rate).note is None


def test_noise_at_8_khz_is_narrow_whatever_its_resampling_leaves(knows_lines):
    noise = np.random.default_rng(0).normal(0, 0.1, 24000).astype(np.float32)
    spectrum = np.abs(np.fft.rfft(knows_lines.waveform(noise, 8000))) ** 2
    hertz = np.fft.rfftfreq(2 * len(spectrum) - 2, 1 / RATE)
    assert spectrum[(hertz > 80) & (hertz < 150)].mean() < 0.01 * spectrum[hertz < 3000].mean()


def test_wide_recordings_keep_their_band(knows_lines, recogniser):
    np.testing.assert_array_equal(
        knows_lines.waveform(speech(3), RATE), recogniser.waveform(speech(3), RATE)
    )


def test_narrower_ones_than_a_line_are_still_doubted(knows_lines):
    note = knows_lines.predict(soxr.resample(speech(3), RATE, 6000), 6000).note
    assert note.startswith("sampled at 6000 Hz")


def test_samples_beyond_float32_are_rejected_without_a_warning(recogniser, recwarn):
    samples = speech(3).astype(float)
    samples[5] = 1e300
    assert rejection(recogniser, samples) == "not_finite"
    assert not recwarn.list


# Damaged models


def test_weights_that_are_nan_are_an_error(tmp_path):
    description, nets = make(tmp_path)
    weights = {name: tensor.contiguous() for name, tensor in nets[0].state_dict().items()}
    weights = {
        name: t * float("nan") if t.is_floating_point() else t for name, t in weights.items()
    }
    model_folder.save(tmp_path, description, [weights])
    with pytest.raises(UserError, match="not probabilities"):
        load(tmp_path).predict(speech(3), RATE)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("corpus", {}),
        ("corpus", {"seconds": {"median": "long", "max": 2}}),
        ("emotions", ["angry", "angry", "sad"]),
        ("emotions", ["sad", "happy", "angry"]),
        ("emotions", "abc"),
        ("emotions", [1, 2, 3]),
        ("statistics", [None]),
        ("statistics", [{}]),
        ("statistics", [{"logmel": [0.0]}]),
        ("statistics", [{"logmel": [[0.0, 1.0], [1.0, 1.0]]}]),
        ("statistics", [{"logmel": ["low", "high"]}]),
        ("statistics", [{"logmel": [None, 1.0]}]),
        ("statistics", [{"logmel": [0.0, 1e300]}]),
    ],
)
def test_a_description_that_makes_no_sense_is_refused(tmp_path, key, value):
    make(tmp_path, normalisation="train")
    described = json.loads((tmp_path / "model.json").read_text())
    (tmp_path / "model.json").write_text(json.dumps(described | {key: value}))
    with pytest.raises(UserError, match=f"holds no usable model .*{key}"):
        load(tmp_path)


def test_features_of_other_columns_than_described_are_refused(tmp_path):
    make(tmp_path)
    described = json.loads((tmp_path / "model.json").read_text())
    described["preprocessing"]["dims"] = {"logmel": 8, "zcr": 8}
    (tmp_path / "model.json").write_text(json.dumps(described))
    with pytest.raises(UserError, match=r"holds no usable model .*described as others"):
        load(tmp_path)


def test_a_file_is_not_a_model(tmp_path):
    (tmp_path / "params.yaml").write_text("model: {}")
    with pytest.raises(UserError, match=r"params\.yaml is not a model"):
        load(tmp_path / "params.yaml")
