"""Explanations point at what decided the prediction."""

import numpy as np
import pandas as pd
import pytest
from looking import BURST, TONES, clip, make_run
from matplotlib.figure import Figure
from PIL import Image
from small_model import EMOTIONS, FEATURES, RATE, encoded, make, speech

from scripts import explanations
from scripts.report import pictures
from ser import load
from ser.core.errors import UserError
from ser.core.filters import mel_band_hertz
from ser.core.sections import Features
from ser.use.album import Album
from ser.use.explanation import Explanation, explain, occlude, require_spectrogram
from ser.use.page.answering import explain_answer
from ser.use.spectrogram_picture import draw_explanation, draw_removals

HERTZ = mel_band_hertz(Features.model_validate(FEATURES))


@pytest.fixture(scope="module")
def run(tmp_path_factory, one_thread):
    """A project whose net looks at a burst."""
    folder = tmp_path_factory.mktemp("run")
    make_run(folder / "data")
    return folder


@pytest.fixture(scope="module")
def untrained(tmp_path_factory, one_thread):
    folder = tmp_path_factory.mktemp("untrained")
    make(folder)
    return load(folder)


def test_the_influence_of_a_patch_is_the_loss_without_it():
    """If the log odds are one cell's level, the influence has a closed form."""
    spectrogram = np.random.default_rng(0).uniform(-30, 0, (16, 4)).astype(np.float32)
    fall = spectrogram[3, 2] - spectrogram[:, 2].mean()
    influence = occlude(spectrogram, lambda x: float(x[3, 2]))
    # Patches are 8 frames of two neighbouring bands: 0 and 1, 1 and 2, 2 and 3.
    expected = np.zeros((16, 4))
    expected[:8] = [0, fall / 2, fall, fall]
    assert influence == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("shape", [(2, 1), (7, 64), (9, 3), (1000, 5)])
def test_every_cell_is_occluded_whatever_the_shape(shape):
    spectrogram = np.random.default_rng(0).uniform(-30, 0, shape).astype(np.float32)
    occluded = []

    def log_odds(changed):
        occluded.append(changed != spectrogram)
        return 0.0

    assert (occlude(spectrogram, log_odds) == 0).all()
    assert np.any(occluded, axis=0).all()
    assert len(occluded) <= 1 + 32 * 3


@pytest.mark.parametrize("emotion", TONES)
def test_it_points_at_the_burst_that_decided(run, emotion):
    waveform, start = clip(emotion, 200)
    recogniser = load(run / "data/model")
    x = explain(recogniser, waveform, emotion)
    assert x.probability == recogniser.probabilities(recogniser.features(waveform)).max()
    times = np.arange(len(x.influence)) * x.seconds_per_frame
    frame, band = np.unravel_index(x.influence.argmax(), x.influence.shape)
    assert start - 0.13 < times[frame] < start + BURST + 0.13  # a patch is 0.13 s long
    tone = np.abs(HERTZ - TONES[emotion]).argmin()
    assert abs(band - tone) <= 8  # and 8 bands high
    heard = (times > start - 0.13) & (times < start + BURST + 0.13)
    assert x.influence[~heard].max() < 0.2 * x.influence.max()


def test_without_the_frames_that_counted_the_answer_is_another(run):
    emotion = "sad"
    predictions = pd.DataFrame(
        [{"clip": emotion, "emotion": emotion, "predicted": emotion, "fold": 1}]
    )
    (one,) = explanations.explain_predictions(run / "data", predictions)
    rows = pd.DataFrame(explanations.removals(one, np.random.default_rng(0)))
    changed = rows[rows["removed"] == 0.2].set_index("frames")["changed"]
    assert changed["that spoke most for the answer"] == 1
    assert changed["at random"] == 0


def test_the_check_reports_the_difference_from_random_with_an_interval():
    rows = pd.DataFrame(
        {
            "clip": ["a", "b"] * 2,
            "removed": 0.1,
            "frames": ["chosen", "chosen", explanations.RANDOM, explanations.RANDOM],
            "changed": [1.0, 1.0, 0.5, 0.0],
        }
    )
    chosen, by_chance = explanations.summarise(rows).to_dict("records")
    assert (chosen["clips"], chosen["changed"], chosen["more"]) == (2, 1, 0.75)
    assert (chosen["more_low"], chosen["more_high"]) == (0.5, 1)
    assert (by_chance["changed"], by_chance["more"]) == (0.25, 0)


def test_the_check_is_written_as_figures_and_pictures(run, tmp_path, monkeypatch):
    names = {"RESULTS": "a.csv", "PICTURE": "a.png", "EXAMPLE": "b.png"}
    for name, file in names.items():
        monkeypatch.setattr(explanations, name, tmp_path / file)
    monkeypatch.setattr(explanations, "DRAWS", 2)
    explanations.main(run / "data")
    written = {file: (tmp_path / file).read_bytes() for file in names.values()}
    explanations.main(run / "data")
    assert written == {file: (tmp_path / file).read_bytes() for file in names.values()}
    table = pd.read_csv(tmp_path / "a.csv")
    assert len(table) == len(explanations.SHARES) * 5
    assert set(table["clips"]) == {len(EMOTIONS)}
    assert list(table.columns[:2]) == ["net", "accuracy"]


def test_the_report_shows_the_mistakes(run, monkeypatch):
    monkeypatch.setattr(pictures, "ROOT", run)
    looks = pictures.draw_explanations([{"clip": "sad", "predicted": "sad"}])
    ((picture, title),) = looks.items()
    assert picture.startswith("data:image/png;base64,")
    assert title.startswith("sad: sad, recognised (")


def test_a_model_of_functionals_is_refused(tmp_path):
    make(tmp_path, "mlp")
    with pytest.raises(UserError, match="sees no mel spectrogram, but functionals"):
        require_spectrogram(load(tmp_path))


def test_the_page_says_that_a_model_of_functionals_cannot_be_explained(tmp_path):
    make(tmp_path, "mlp")
    path = tmp_path / "a.wav"
    path.write_bytes(encoded(speech(3), RATE, ".wav"))
    recogniser = load(tmp_path)
    assert "sees no mel spectrogram" in explain_answer(
        recogniser, path, recogniser.predict_file(path)
    )


def test_the_page_shows_the_window_in_which_the_emotion_is_most_probable(untrained, tmp_path):
    path = tmp_path / "long.wav"
    path.write_bytes(encoded(np.concatenate([speech(0, 2.0), speech(60, 2.0)]), RATE, ".wav"))
    told = untrained.predict_file(path)
    assert len(told.windows) > 1
    surest = max(told.windows, key=lambda window: window.probabilities[told.emotion])
    shown = explain_answer(untrained, path, told)
    assert f"from 0:{surest.start:04.1f} to 0:{surest.end:04.1f}" in shown
    assert shown.count("<img") == 2


def test_pictures_have_names_of_their_own_inside_their_folder(untrained, tmp_path):
    path = tmp_path / "a.wav"
    path.write_bytes(encoded(speech(3), RATE, ".wav"))
    told = untrained.predict_file(path)
    album = Album(untrained, untrained.windows(), tmp_path / "deep/album")
    names = ["../a.wav", "x/A.wav", "/", "$a$ <b>.wav", "λ" * 300]
    for name in names:
        album.add(name, path, told)
    pictures = sorted(file.name for file in (tmp_path / "deep/album").iterdir())
    assert pictures == sorted(
        [
            *("a.wav.png", "A.wav-2.png", "recording.png", "_a_b_.wav.png", f"{'λ' * 60}.png"),
        ]
    )
    assert album.pictures == len(names)
    with Image.open(tmp_path / "deep/album/a.wav.png") as picture:
        assert len(set(picture.convert("L").get_flattened_data())) > 50


def test_a_clip_that_was_taken_for_another_emotion_is_titled_so(run):
    rows = [{"clip": "sad", "emotion": e, "predicted": "sad", "fold": 1} for e in ("sad", "happy")]
    right, wrong = (
        x.title for x in explanations.explain_predictions(run / "data", pd.DataFrame(rows))
    )
    assert right.startswith(": sad, recognised (")
    assert wrong.startswith(": happy, taken for sad (")


# The pictures


def made_up(frames=38):
    """An explanation in which everything speaks against the emotion."""
    shape = (frames, len(HERTZ))
    spectrogram = np.full(shape, -40, np.float32)
    return Explanation("sad", 0.87, spectrogram, np.full(shape, -1.0), 0.016)


@pytest.fixture
def drawn(tmp_path, monkeypatch):
    """Draws an explanation; returns the open figure and its pixels [rows, columns]."""
    saved = []
    save = Figure.savefig
    monkeypatch.setattr(Figure, "savefig", lambda f, *a, **k: (saved.append(f), save(f, *a, **k)))

    def draw(name="a.wav", title=": sad (87%)", explanation=None):
        path = tmp_path / "picture.png"
        draw_explanation(path, explanation or made_up(), HERTZ, name, title)
        with Image.open(path) as picture:
            return saved[-1], np.array(picture.convert("L"))

    return draw


@pytest.mark.parametrize("name", ["a" * 5000 + ".wav", "W" * 200 + ".wav", "文" * 300 + ".wav"])
def test_a_long_name_is_shortened_in_the_middle_but_the_title_is_not(drawn, name):
    figure, _ = drawn(name)
    title = figure.get_suptitle()
    assert title.startswith(name[:5])
    assert title.endswith(".wav: sad (87%)")
    assert "…" in title
    width = figure._suptitle.get_window_extent().width
    assert 0.9 < width / figure.bbox.width < 0.99


def test_a_name_that_has_room_is_whole(drawn):
    assert drawn("folder/a_$b$.wav")[0].get_suptitle() == "folder/a_$b$.wav: sad (87%)"


@pytest.mark.filterwarnings("error")
def test_names_take_glyphs_from_whatever_font_has_them(drawn):
    """Circled letters are not in DejaVu Sans, but in other fonts that come with Matplotlib."""
    first, second = (drawn(name)[1] for name in ("\N{CIRCLED LATIN CAPITAL LETTER A}", "\u24b7"))
    assert first.shape == second.shape
    assert (first != second).any()


@pytest.mark.filterwarnings("error")
def test_characters_that_no_font_has_cause_no_warning(drawn, capfd):
    drawn("\U000f1234\U0001f9ff.wav")
    assert capfd.readouterr().err == ""


def test_the_hatching_reaches_the_edges(drawn):
    figure, pixels = drawn()
    lower = figure.axes[1].get_window_extent()
    top, bottom = (round(pixels.shape[0] - y) for y in (lower.y1, lower.y0))
    inside = pixels[top + 3 : bottom - 3, round(lower.x0) + 3 : round(lower.x1) - 3]
    ink = inside < 90
    assert ink.any()
    strip = inside.shape[1] // 100
    for edge in (ink[:, :strip], ink[:, -strip:], ink[:4].T, ink[-4:].T):
        assert edge.any()


def test_markers_at_no_changes_are_whole(tmp_path, monkeypatch):
    saved = []
    monkeypatch.setattr(Figure, "savefig", lambda figure, *_, **__: saved.append(figure))
    columns = {"clips": 120, "changed": 0.0, "low": 0.0, "high": 0.0}
    table = pd.DataFrame([{"removed": 0.1, "frames": "at random", **columns}])
    draw_removals(tmp_path / "a.png", table)
    (axes,) = saved[0].axes
    assert not any(line.get_clip_on() for line in axes.lines)
