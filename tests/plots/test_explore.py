import json
from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from PIL import Image

from ser.core import tables
from ser.core.store import StoreWriter
from ser.core.tables import parse_report
from ser.plots import dataset
from stages import explore

SAMPLE_RATE = 8000
# clip, corpus, emotion, speaker, samples after cleaning, seconds, sample rate, channels, subtype.
CLIPS = [
    ("aesdd/a01 (1)", "aesdd", "angry", "1", 4000, 0.5, 44100, 1, "PCM_16"),
    ("aesdd/a01 (10)", "aesdd", "angry", "10", 12000, 1.5, 44100, 1, "PCM_24"),
    ("aesdd/a01 (2)", "aesdd", "angry", "2", 7999, 1.0, 44100, 1, "PCM_16"),
    ("aesdd/s01 (2)", "aesdd", "sad", "2", 16000, 2.0, 44100, 2, "PCM_16"),
    ("demo/s01 (1)", "demo", "sad", "1", 8000, 1.0, 8000, 1, "PCM_16"),
]
# The part of each clip that is a tone; the rest is silent.
SOUNDING = {
    "aesdd/a01 (1)": 1.0,
    "aesdd/a01 (10)": 0.1,
    "aesdd/a01 (2)": 0.5,
    "aesdd/s01 (2)": 1.0,
    "demo/s01 (1)": 0.25,
}
PICTURES = {
    "clips_by_speaker.png",
    "durations.png",
    "durations_by_emotion.png",
    "frames.png",
    "levels_by_emotion.png",
    "mel_spectrograms.png",
    "spectrogram_gallery.png",
    "waveform.png",
    "waveforms.png",
}


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A folder with params.yaml, clips.csv and clean."""
    values = yaml.safe_load((Path(__file__).parents[2] / "params.yaml").read_text())
    values["clean"]["sample_rate"] = SAMPLE_RATE
    values["features"] |= {"n_fft": 512, "win_length": 400, "hop_length": 200, "fmax": 4000.0}
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(values))
    rows = []
    with StoreWriter(tmp_path / "clean", (), {"sample_rate": SAMPLE_RATE}) as store:
        for name, corpus, emotion, speaker, samples, seconds, rate, channels, subtype in CLIPS:
            tone = np.sin(2 * np.pi * 440 * np.arange(samples) / SAMPLE_RATE)
            tone[round(SOUNDING[name] * samples) :] = 0
            store.add(name, tone.astype(np.float32))
            row = dict.fromkeys(tables.CLIP_COLUMNS, "")
            row |= {"clip": name, "path": name, "corpus": corpus}
            row |= {"emotion": emotion, "speaker": speaker}
            row |= {"seconds": seconds, "sample_rate": rate}
            row |= {"channels": channels, "subtype": subtype}
            rows.append(row)
    tables.write_csv(tmp_path / "clips.csv", rows, tables.CLIP_COLUMNS)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def explored(project, name):
    folder = project / name
    explore.main(
        project / "clips.csv", project / "clean", folder / "dataset.json", folder / "plots"
    )
    return folder


def test_figures(project):
    text = (explored(project, "out") / "dataset.json").read_text()
    figures = parse_report(text)
    levels = figures["level_db"]
    assert {name: value for name, value in figures.items() if name != "level_db"} == {
        "channels": {"1": 4, "2": 1},
        "clips": 5,
        "corpora": {"aesdd": 4, "demo": 1},
        "emotions": {"angry": 3, "sad": 2},
        # 1 + samples // 200: 21, 61, 40, 81, 41
        "frames": {"max": 81, "mean": 48.8, "median": 41, "min": 21},
        "hours": round(6 / 3600, 6),
        "sample_rates": {"44100": 4, "8000": 1},
        "seconds": {"max": 2.0, "mean": 1.2, "median": 1.0, "min": 0.5},
        # Speaker 1 of one corpus is not speaker 1 of the other.
        "speakers": 4,
        "subtypes": {"PCM_16": 4, "PCM_24": 1},
    }
    # A sine's mean square is half its peak's: 10 log10(sounding / 2).
    full, half, quarter, tenth = -3.0103, -6.0206, -9.0309, -13.0103
    angry = {"max": full, "mean": (full + half + tenth) / 3, "median": half, "min": tenth}
    middle = (full + quarter) / 2
    sad = {"max": full, "mean": middle, "median": middle, "min": quarter}
    assert list(levels) == ["angry", "sad"]
    assert levels["angry"] == pytest.approx(angry, abs=0.02)
    assert levels["sad"] == pytest.approx(sad, abs=0.02)
    assert text == json.dumps([figures], indent=2, sort_keys=True) + "\n"


def test_pictures_are_complete_and_the_same_twice(project):
    first, second = explored(project, "first"), explored(project, "second")
    assert {path.name for path in (first / "plots").iterdir()} == PICTURES
    for name in sorted(PICTURES):
        with Image.open(first / "plots" / name) as image:
            image.verify()
        assert (first / "plots" / name).read_bytes() == (second / "plots" / name).read_bytes()


def test_what_the_pictures_show(project, monkeypatch):
    shown = {}
    for name in (
        "waveform",
        "waveforms",
        "mel_spectrograms",
        "spectrogram_gallery",
        "histogram",
        "durations_by_emotion",
        "levels_by_emotion",
        "clips_by_speaker",
    ):
        monkeypatch.setattr(
            dataset, name, lambda path, *values: shown.setdefault(path.name, values)
        )
    explored(project, "out")

    samples, rate, title = shown["waveform.png"]
    assert (len(samples), rate, title) == (4000, 8000, "aesdd/a01 (1): angry, speaker 1")
    # The angry clip in the middle lasts 1 s; of two sad ones it is the shorter.
    typical, _ = shown["waveforms.png"]
    assert list(typical) == ["angry: aesdd/a01 (2)", "sad: demo/s01 (1)"]
    assert [len(values) for values in typical.values()] == [7999, 8000]

    mels, step, bands = shown["mel_spectrograms.png"]
    assert step == 0.025
    assert [values.shape for values in mels.values()] == [(40, len(bands)), (41, len(bands))]
    assert np.all(np.diff(bands) > 0)
    # The tone of 440 Hz is loudest in the band around it.
    loudest = bands[mels["sad: demo/s01 (1)"].mean(axis=0).argmax()]
    assert loudest == pytest.approx(440, abs=40)

    emotions, names, in_all, cells, *axes = shown["spectrogram_gallery.png"]
    assert emotions == ["angry", "sad"]
    assert names == ["aesdd/1", "aesdd/2", "aesdd/10", "demo/1"]
    assert in_all == 4
    assert axes[0] == step
    np.testing.assert_array_equal(axes[1], bands)
    assert {cell: len(values) for cell, values in cells.items()} == {
        ("angry", "aesdd/1"): 21,
        ("angry", "aesdd/2"): 40,
        ("angry", "aesdd/10"): 61,
        ("sad", "aesdd/2"): 81,
        ("sad", "demo/1"): 41,
    }

    np.testing.assert_array_equal(shown["frames.png"][0], [21, 61, 40, 81, 41])
    np.testing.assert_array_equal(shown["durations.png"][0], [0.5, 1.5, 1.0, 2.0, 1.0])
    (durations,) = shown["durations_by_emotion.png"]
    assert {emotion: values.tolist() for emotion, values in durations.items()} == {
        "angry": [0.5, 1.5, 1.0],
        "sad": [2.0, 1.0],
    }
    (levels,) = shown["levels_by_emotion.png"]
    assert levels["angry"] == pytest.approx([-3.0103, -13.0103, -6.0206], abs=0.02)
    assert levels["sad"] == pytest.approx([-3.0103, -9.0309], abs=0.02)
    (counts,) = shown["clips_by_speaker.png"]
    assert list(counts.index) == ["aesdd/1", "aesdd/2", "aesdd/10", "demo/1"]
    assert list(counts.columns) == ["angry", "sad"]
    assert counts.to_numpy().tolist() == [[1, 0], [1, 1], [1, 0], [0, 1]]


def test_the_gallery_shows_the_first_speakers_and_their_clips_of_median_duration(
    project, monkeypatch
):
    table = tables.read_csv(project / "clips.csv")
    # Speaker 1 has three angry clips, of 21, 61 and 40 frames; there are eight speakers.
    table["speaker"] = ["1", "1", "1", "2", "7"]
    more = table.iloc[[4] * 5].assign(corpus="zoo", speaker=["3", "12", "2", "13", "14"])
    rows = pd.concat([table, more]).to_dict("records")
    tables.write_csv(project / "clips.csv", rows, tables.CLIP_COLUMNS)
    shown = {}
    monkeypatch.setattr(
        dataset, "spectrogram_gallery", lambda path, *values: shown.setdefault("values", values)
    )
    explored(project, "out")
    _, names, in_all, cells, *_ = shown["values"]
    assert names == ["aesdd/1", "aesdd/2", "demo/7", "zoo/2", "zoo/3", "zoo/12"]
    assert in_all == 8
    assert {cell: len(values) for cell, values in cells.items()} == {
        ("angry", "aesdd/1"): 40,
        ("sad", "aesdd/2"): 81,
        ("sad", "demo/7"): 41,
        ("sad", "zoo/2"): 41,
        ("sad", "zoo/3"): 41,
        ("sad", "zoo/12"): 41,
    }


def write_speakers(project, speakers):
    """Write a clips.csv with one clip of each of these speakers, given as (corpus, speaker)."""
    table = tables.read_csv(project / "clips.csv")
    rows = [
        table.iloc[n % len(table)].to_dict() | {"clip": f"{corpus}/{n}", "corpus": corpus}
        for n, (corpus, _) in enumerate(speakers)
    ]
    rows = [row | {"speaker": speaker} for row, (_, speaker) in zip(rows, speakers, strict=True)]
    tables.write_csv(project / "clips.csv", rows, tables.CLIP_COLUMNS)


def of_each(**numbers):
    return [(corpus, str(n)) for corpus, last in numbers.items() for n in range(1, last + 1)]


@pytest.mark.parametrize(
    ("speakers", "expected"),
    [
        (of_each(aesdd=7), [f"aesdd/{n}" for n in range(1, 7)]),
        (
            of_each(aesdd=6, ravdess=24),
            ["aesdd/1", "aesdd/2", "aesdd/3", "ravdess/1", "ravdess/2", "ravdess/3"],
        ),
        # The first corpora get one more if the number is not a multiple.
        (
            of_each(aesdd=2, cremad=9, own=1, savee=4, tess=2),
            ["aesdd/1", "aesdd/2", "cremad/1", "own/1", "savee/1", "tess/1"],
        ),
        (of_each(own=1, savee=6), ["own/1", *(f"savee/{n}" for n in range(1, 6))]),
        (
            of_each(aesdd=2, cremad=9, demo=1, emodb=3, own=1, savee=4, tess=2),
            [f"{name}/1" for name in ("aesdd", "cremad", "demo", "emodb", "own", "savee", "tess")],
        ),
        (of_each(aesdd=2, own=1), ["aesdd/1", "aesdd/2", "own/1"]),
        ([("own", ""), *of_each(savee=2)], ["own/unknown", "savee/1", "savee/2"]),
        ([("own", ""), ("own", "10"), ("own", "9")], ["own/unknown", "own/9", "own/10"]),
        ([("own", "")], ["own/unknown"]),
    ],
)
def test_the_gallery_takes_speakers_of_each_corpus_in_turn(
    project, monkeypatch, speakers, expected
):
    write_speakers(project, speakers[::-1])
    shown = {}
    for name in ("spectrogram_gallery", "clips_by_speaker"):
        monkeypatch.setattr(
            dataset, name, lambda path, *values: shown.setdefault(path.name, values)
        )
    figures = parse_report((explored(project, "out") / "dataset.json").read_text())
    _, names, in_all, cells, *_ = shown["spectrogram_gallery.png"]
    assert names == expected
    assert in_all == len(speakers)
    assert {speaker for _, speaker in cells} == set(expected)
    (counts,) = shown["clips_by_speaker.png"]
    assert len(counts) == figures["speakers"] == len(speakers)
    assert counts.to_numpy().sum() == len(speakers)
    assert figures["corpora"] == dict(Counter(sorted(corpus for corpus, _ in speakers)))
    assert list(figures["corpora"]) == sorted(figures["corpora"])


def test_a_clip_of_an_unknown_speaker_is_titled_so(project, monkeypatch):
    write_speakers(project, [("own", "")])
    shown = {}
    monkeypatch.setattr(
        dataset, "waveform", lambda path, *values: shown.setdefault("values", values)
    )
    explored(project, "out")
    assert shown["values"][2] == "own/0: angry, speaker unknown"
