import hashlib
from collections import Counter
from pathlib import Path

import librosa
import numpy as np
import pytest
import soundfile
from scipy.signal import welch
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import LeaveOneGroupOut, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from ser.corpora import aesdd
from ser.sources import demo

# Of every file's name and bytes. It changes with the synthesis, and it would change with NumPy's
# stream of random numbers, which NumPy does not promise to keep for a Generator: then every digest
# in dvc.lock that was made from this corpus changes too.
DIGEST = "fd735c58dc2a2c34b9c2f9e4b3d8aad2b382129eb117e0f899898893196de9e6"
EMOTIONS = {
    "anger": "angry",
    "disgust": "disgust",
    "fear": "fear",
    "happiness": "happy",
    "sadness": "sad",
}
PLAIN = demo.Delivery(
    pitch=0, accent=0, slope=0, rate=1, level=-6, tilt=3, breath=0.01, tremor=0, jitter=0.01
)


def digest(folder: Path) -> str:
    total = hashlib.sha256()
    for path in sorted(folder.rglob("*"), key=lambda path: path.relative_to(folder).as_posix()):
        if path.is_file():
            total.update(path.relative_to(folder).as_posix().encode())
            total.update(path.read_bytes())
    return total.hexdigest()


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    folder = tmp_path_factory.mktemp("demo")
    demo.write_demo(folder)
    return folder


@pytest.fixture(scope="module")
def clips(corpus):
    """Path in the corpus -> samples, of the clips that can be read."""
    names = sorted(path.relative_to(corpus).as_posix() for path in corpus.rglob("*.wav"))
    return {name: soundfile.read(corpus / name)[0] for name in names if name != demo.BROKEN}


def test_each_speaker_speaks_each_utterance_in_each_emotion(corpus, clips):
    assert sum(path.is_file() for path in corpus.rglob("*")) == 244
    labels = {name: aesdd.parse_aesdd(Path(name).name) for name in clips}
    assert all(label.emotion == EMOTIONS[name.split("/")[0]] for name, label in labels.items())
    spoken = Counter((label.emotion, label.speaker, label.utterance) for label in labels.values())
    assert len(spoken) == 5 * 6 * 8
    assert sum(count == 2 for count in spoken.values()) == 3
    assert {label.take for label in labels.values()} == {"", "a", "b"}


def test_same_bytes_every_time(corpus, tmp_path):
    assert digest(corpus) == DIGEST
    (tmp_path / "anger").mkdir()
    (tmp_path / "anger" / "a01 (1).wav").write_bytes(b"of an earlier run")
    demo.write_demo(tmp_path)
    assert digest(tmp_path) == DIGEST


def test_one_clip_is_broken_as_in_the_aesdd(corpus):
    broken = corpus / demo.BROKEN
    content = broken.read_bytes()
    assert len(content) == 36
    assert content[:4] == b"RIFF"
    assert b"data" not in content
    with pytest.raises(soundfile.LibsndfileError):
        soundfile.read(broken)


def test_form_length_and_level(corpus, clips):
    for name, samples in clips.items():
        info = soundfile.info(corpus / name)
        assert (info.samplerate, info.channels, info.subtype) == (16000, 1, "PCM_16")
        assert 1.0 < info.duration < 1.9
        assert -12.1 < 20 * np.log10(np.max(np.abs(samples))) < -0.9
        assert abs(np.mean(samples)) < 0.01
        loud = np.flatnonzero(np.abs(samples) > 0.03 * np.max(np.abs(samples)))
        assert loud[0] < 0.3 * 16000
        assert len(samples) - loud[-1] < 0.3 * 16000
    assert len({samples.tobytes() for samples in clips.values()}) == len(clips)


def median_pitch(samples):
    pitch = librosa.yin(samples, fmin=70, fmax=500, sr=16000, frame_length=1024, hop_length=512)
    # The voiced frames are those whose energy lies low in frequency.
    crossings = librosa.feature.zero_crossing_rate(samples, frame_length=1024, hop_length=512)[0]
    level = librosa.feature.rms(y=samples, frame_length=1024, hop_length=512)[0]
    return np.median(pitch[(crossings < 0.2) & (level > 0.3 * level.max())])


@pytest.mark.parametrize(("high", "low"), [("anger", "sadness"), ("fear", "disgust")])
def test_pitch_of_emotions(clips, high, low):
    for speaker in range(1, 7):
        pitch = {
            emotion: np.mean(
                [
                    median_pitch(clips[f"{emotion}/{emotion[0]}{utterance:02d} ({speaker}).wav"])
                    for utterance in (2, 4, 6, 8)
                ]
            )
            for emotion in (high, low)
        }
        assert pitch[high] > 1.1 * pitch[low]


def test_pitch_is_the_voices():
    voice = demo.Voice(tract=17.5, pitch=140, breath=0, rate=1, level=0)
    samples = demo.synthesise("a a a a", voice, PLAIN, np.random.default_rng(0))
    assert median_pitch(samples / 32768) == pytest.approx(140, rel=0.02)


@pytest.mark.parametrize("vowel", ["e", "a", "o"])
@pytest.mark.parametrize("tract", [17.5, 15.0])
def test_spectrum_peaks_at_the_first_formant(vowel, tract):
    voice = demo.Voice(tract=tract, pitch=90, breath=0, rate=1, level=0)
    samples = demo.synthesise(vowel * 6, voice, PLAIN, np.random.default_rng(0))
    frequencies, power = welch(samples, 16000, nperseg=4096)
    # Harmonics lie 90 Hz apart, so the highest is at most half of that from the formant.
    band = (frequencies > 200) & (frequencies < 900)
    peak = frequencies[band][np.argmax(power[band])]
    assert peak == pytest.approx(demo.VOWELS[vowel][0] * 17.5 / tract, abs=60)


def test_fricatives_are_high_and_vowels_low():
    voice = demo.Voice(tract=17.5, pitch=120, breath=0, rate=1, level=0)
    samples = demo.synthesise("sa", voice, PLAIN, np.random.default_rng(0)) / 32768
    crossings = librosa.feature.zero_crossing_rate(samples, frame_length=512, hop_length=128)[0]
    assert crossings[: len(crossings) // 2].max() > 0.5
    assert crossings[len(crossings) // 2 :].min() < 0.2


def statistics(samples):
    mel = librosa.feature.melspectrogram(
        y=samples / np.max(np.abs(samples)), sr=16000, n_fft=512, hop_length=256, n_mels=64, fmin=50
    )
    logmel = np.log(mel + 1e-6)
    logmel = (logmel - logmel.mean()) / logmel.std()
    return np.concatenate([logmel.mean(axis=1), logmel.std(axis=1)])


def test_unheard_speakers_are_neither_at_chance_nor_perfect(clips):
    features = np.stack([statistics(samples) for samples in clips.values()])
    labels = [aesdd.parse_aesdd(Path(name).name) for name in clips]
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
    scores = cross_val_score(
        model,
        features,
        [label.emotion for label in labels],
        groups=[label.speaker for label in labels],
        cv=LeaveOneGroupOut(),
    )
    assert 0.45 < np.mean(scores) < 0.95


def test_ratings_are_in_0_to_1_and_spread_within_each_emotion():
    rated = demo.ratings()
    assert set(rated) == {Path(clip.path).name for clip in demo.clips()}
    for dimension in ("arousal", "valence"):
        assert all(0 <= own[dimension] <= 1 for own in rated.values())
        for emotion in "adfhs":
            own = [r[dimension] for name, r in rated.items() if name[0] == emotion]
            assert np.std(own) > 0.03


def test_arousal_rises_with_pitch_and_valence_with_melody():
    plain = demo.rate(PLAIN)
    higher = demo.rate(PLAIN._replace(pitch=6))
    assert higher["arousal"] - plain["arousal"] == pytest.approx(6 / 18 / 3)
    assert higher["valence"] == plain["valence"]
    livelier = demo.rate(PLAIN._replace(accent=4.5))
    assert livelier["valence"] - plain["valence"] == pytest.approx(4.5 / 9 / 3)
    assert livelier["arousal"] == plain["arousal"]
    assert demo.rate(PLAIN._replace(level=-12)) == plain


def test_what_is_heard_of_a_clip_follows_its_arousal(clips):
    rated = demo.ratings()
    names = sorted(name for name in clips if name.endswith(").wav"))[::5]
    semitones = [12 * np.log2(median_pitch(clips[name])) for name in names]
    voices = np.array([int(name[-6]) for name in names])
    arousal = np.array([rated[Path(name).name]["arousal"] for name in names])
    for voice in range(1, 7):
        own = voices == voice
        assert np.corrcoef(np.array(semitones)[own], arousal[own])[0, 1] > 0.5
