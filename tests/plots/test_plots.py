from itertools import combinations

import numpy as np
import pandas as pd
import pytest
from matplotlib.collections import PathCollection
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.text import Text
from PIL import Image

from scripts.suites import lists, pictures
from ser.core.emotions import EMOTIONS
from ser.evaluation import scores
from ser.evaluation.figures import CONFIDENCES
from ser.plots import dataset, results
from ser.use.spectrogram_picture import draw_removals

GREY = (0.299, 0.587, 0.114)
LONG = ["aaaaaa-bbbbbbbbb", "disappointment_1", "mixed_feelings-2"]
CONFUSION = np.array([[20, 1, 3], [0, 0, 0], [5, 0, 1200]])


def speech(seconds, seed=0, sample_rate=1000):
    noise = np.random.default_rng(seed).normal(size=int(seconds * sample_rate))
    return (noise / np.abs(noise).max()).astype(np.float32)


def history(folds, epochs, validated=True):
    rows = [
        {
            "fold": fold,
            "epoch": epoch,
            "train_loss": 2 / epoch,
            "val_loss": 2 / epoch + 0.1 * fold if validated else np.nan,
            # All clips from the tenth epoch on.
            "train_accuracy": min(1, 1.08 - 0.8 / epoch),
            "val_accuracy": 0.8 - 0.1 * fold - 0.5 / epoch if validated else np.nan,
        }
        for fold in range(folds)
        for epoch in range(1, epochs + 1)
    ]
    return pd.DataFrame(rows)


def speakers(count, emotions=EMOTIONS):
    counts = np.arange(count * len(emotions)).reshape(count, -1) % 200
    return pd.DataFrame(counts, [f"cremad/{1001 + i}" for i in range(count)], list(emotions))


def reliability(path, bins, unscaled=0.456):
    places = np.arange(1, bins)  # the first bin is empty
    confidence = (places + 0.5) / bins
    table = pd.DataFrame(
        {
            "low": places / bins,
            "high": (places + 1) / bins,
            "confidence": confidence,
            "accuracy": np.round(confidence),  # 0 or 1, at the edges
            "count": places * 11,
        }
    )
    results.reliability_diagram(path, table.astype(str), 0.123, unscaled)


def coverage(path, confidences, least=CONFIDENCES):
    """Answers of these confidences, of which every third is wrong."""
    actual = np.arange(len(confidences)) % 3 // 2
    table = scores.coverage_curve(np.stack([confidences, 1 - confidences], axis=1), actual)
    marked = {str(value): scores.answers_from(table, value) for value in least}
    results.coverage_curve(path, table, marked)


def places(clips, emotions):
    """Clips of each emotion on a map; every seventh is taken for the first emotion."""
    rng = np.random.default_rng(0)
    own = np.array(emotions)[np.arange(clips) % len(emotions)]
    table = pd.DataFrame({"emotion": own, "fold": 1}).assign(
        predicted=np.where(np.arange(clips) % 7, own, emotions[0])
    )
    return table.assign(x=rng.normal(size=clips), y=rng.normal(size=clips))


def gallery(path, emotions, names, missing=(), in_all=None):
    cells = {
        (emotion, name): np.full((20 + 10 * i + j, 64), -40.0)
        for i, emotion in enumerate(emotions)
        for j, name in enumerate(names)
        if (emotion, name) not in missing
    }
    bands = np.geomspace(60, 7900, 64)
    in_all = in_all or len(names)
    dataset.spectrogram_gallery(path, emotions, names, in_all, cells, 0.016, bands)


def trials(names, seconds=True):
    rng = np.random.default_rng(0)
    rows = [
        {"trial": name, "clips": 356, "accuracy": 0.84 - 0.001 * i + 0.005 * seed}
        | {"seconds": rng.uniform(20, 23) if seconds else np.nan}
        for i, name in enumerate(names)
        for seed in (0, 1)
    ]
    return pd.DataFrame(rows)


def draw(name, path):
    rng = np.random.default_rng(0)
    clips = {f"{emotion}: aesdd/a05 (3)": speech(1 + i, i) for i, emotion in enumerate(EMOTIONS)}
    if name == "waveform":
        dataset.waveform(path, speech(2), 1000, "aesdd/a01 (1): angry, speaker 1")
    elif name == "waveforms":
        dataset.waveforms(path, clips, 1000)
    elif name == "mel_spectrograms":
        mels = {clip: -80 * rng.random((50 + i, 64)) for i, clip in enumerate(clips)}
        dataset.mel_spectrograms(path, mels, 0.016, np.geomspace(60, 7900, 64))
    elif name == "mel_spectrogram_of_one":
        mels = {"angry: aesdd/a05 (3)": -80 * rng.random((50, 64))}
        dataset.mel_spectrograms(path, mels, 0.016, np.geomspace(60, 7900, 64))
    elif name == "gallery":
        gallery(path, EMOTIONS, [f"cremad/{1001 + i}" for i in range(4)])
    elif name == "gallery_of_one":
        gallery(path, ["angry"], ["aesdd/1"])
    elif name == "histogram":
        dataset.histogram(path, rng.gamma(9, 0.4, 600), "Durations", "duration", "s")
    elif name == "histogram_of_one":
        dataset.histogram(path, np.array([3.0]), "Durations", "duration", "s")
    elif name == "durations_by_emotion":
        dataset.durations_by_emotion(path, {e: rng.gamma(9, 0.4, 1000) for e in EMOTIONS})
    elif name == "levels_by_emotion":
        dataset.levels_by_emotion(path, {e: rng.normal(-18, 3, 1000) for e in EMOTIONS})
    elif name == "levels_of_one_clip":
        dataset.levels_by_emotion(path, {"angry": np.array([-18.0])})
    elif name == "speakers_few":
        dataset.clips_by_speaker(path, speakers(6))
    elif name == "speaker_alone":
        dataset.clips_by_speaker(path, speakers(1, ["angry"]))
    elif name == "speakers_many":
        dataset.clips_by_speaker(path, speakers(91, EMOTIONS[:6]))
    elif name == "confusion_matrix":
        labels = ["angry", "surprise", "sad"]
        title = "Confusion matrix (accuracy 99.3 %, 95 % interval 98.1 to 99.9 %)"
        results.confusion_matrix(path, CONFUSION, labels, title)
    elif name == "confusion_of_long_names":
        results.confusion_matrix(path, CONFUSION, LONG, "Confusion matrix")
    elif name == "gallery_of_long_names":
        gallery(path, LONG, ["anna"])
    elif name == "durations_of_long_names":
        dataset.durations_by_emotion(path, {e: rng.gamma(9, 0.4, 1000) for e in LONG})
    elif name == "speakers_of_long_names":
        dataset.clips_by_speaker(path, speakers(6, LONG))
    elif name == "learning_curves":
        results.learning_curves(path, history(5, 60))
    elif name == "learning_curves_of_one_epoch":
        results.learning_curves(path, history(1, 1))
    elif name == "loss_curves":
        many = [history(3, 40, i % 2 == 0).assign(experiment=f"s{i}-cnn") for i in range(18)]
        pictures.loss_curves(path, pd.concat(many))
    elif name == "loss_curves_of_one":
        pictures.loss_curves(path, history(1, 1).assign(experiment="default"))
    elif name == "loss_curves_that_are_flat":
        flat = history(1, 16).assign(experiment="default", train_loss=1.6, val_loss=1.609)
        pictures.loss_curves(path, flat)
    elif name == "accuracy_time":
        pictures.accuracy_time(path, trials(lists.read_suite("trials").entries))
    elif name == "accuracy_time_of_one":
        pictures.accuracy_time(path, trials(["default"]))
    elif name == "accuracy_without_times":
        pictures.accuracy_time(path, trials(["default", "best"], seconds=False))
    elif name == "removals":
        columns = {"clips": 120, "changed": 0.0, "low": 0.0, "high": 0.1}
        rows = [{"removed": r, "frames": "at random", **columns} for r in (0.1, 0.2)]
        draw_removals(path, pd.DataFrame(rows))
    elif name == "coverage":
        coverage(path, np.linspace(0.52, 0.99, 200))
    elif name == "coverage_of_one_confidence":
        coverage(path, np.full(3, 0.95))
    elif name == "coverage_of_older_figures":
        coverage(path, np.linspace(0.52, 0.99, 200), ())
    elif name == "map":
        results.clip_map(path, places(120, EMOTIONS), EMOTIONS)
    elif name == "map_of_long_names":
        results.clip_map(path, places(12, LONG), LONG)
    elif name == "map_of_no_clip":
        results.clip_map(path, places(0, EMOTIONS), EMOTIONS)
    elif name == "reliability":
        reliability(path, 10)
    else:
        reliability(path, 100)


PICTURES = {
    "map": (7.4, 5.4),
    "map_of_long_names": (7.4, 5.4),
    "map_of_no_clip": (7.4, 5.4),
    "waveform": (9, 2.8),
    "waveforms": (9, 10),
    "mel_spectrograms": (9, 13.6),
    "mel_spectrogram_of_one": (9, 3.4),
    "gallery": (7.8, 11.9),
    "gallery_of_one": (6, 3.4),
    "histogram": (7, 3.8),
    "histogram_of_one": (7, 3.8),
    "durations_by_emotion": (10, 4.3),
    "levels_by_emotion": (10, 4.3),
    "levels_of_one_clip": (6, 4.3),
    "speakers_few": (9.335, 3.12),
    "speaker_alone": (5.5, 1.77),
    "speakers_many": (14.88, 7.71),
    "confusion_matrix": (8.2, 3.26),
    "confusion_of_long_names": (7.39, 3.26),
    "gallery_of_long_names": (6, 5.48),
    "durations_of_long_names": (6, 4.3),
    "speakers_of_long_names": (6.915, 3.12),
    "learning_curves": (10, 4),
    "learning_curves_of_one_epoch": (10, 4),
    "loss_curves": (11, 15.6),
    "loss_curves_of_one": (11, 3.6),
    "loss_curves_that_are_flat": (11, 3.6),
    "accuracy_time": (9, 7.94),
    "accuracy_time_of_one": (9, 1.96),
    "accuracy_without_times": (9, 2.22),
    "removals": (8, 4.8),
    "reliability": (5.6, 6),
    "reliability_of_many_bins": (5.6, 6),
    "coverage": (5.6, 4.2),
    "coverage_of_one_confidence": (5.6, 4.2),
    "coverage_of_older_figures": (5.6, 4.2),
}


@pytest.fixture
def figures(monkeypatch):
    """Collect the figures that are saved, not only their files."""
    saved = []
    savefig = Figure.savefig

    def spy(figure, *args, **kwargs):
        saved.append(figure)
        savefig(figure, *args, **kwargs)

    monkeypatch.setattr(Figure, "savefig", spy)
    return saved


@pytest.fixture
def texts(monkeypatch):
    """Collect every text that is drawn, with its position in the finished picture."""
    drawn = {}
    draw_text = Text.draw

    def spy(text, renderer, *args, **kwargs):
        if text.get_visible() and text.get_text():
            drawn[text] = text.get_window_extent(renderer)
        draw_text(text, renderer, *args, **kwargs)

    monkeypatch.setattr(Text, "draw", spy)
    return drawn


@pytest.mark.parametrize("name", PICTURES)
def test_picture(name, tmp_path, figures, texts):
    path = tmp_path / "plots" / f"{name}.png"
    draw(name, path)

    with Image.open(path) as image:
        assert image.format == "PNG"
        assert image.size == pytest.approx([120 * inches for inches in PICTURES[name]], abs=1)
        width, height = image.size
        assert "Software" not in image.info

    # Matplotlib draws the text of a tick only within the axis.
    assert len(texts) >= 5
    for text, box in texts.items():
        assert box.x0 >= 0, text
        assert box.y0 >= 0, text
        assert box.x1 <= width, text
        assert box.y1 <= height, text
    for (one, box), (other, other_box) in combinations(texts.items(), 2):
        assert not box.overlaps(other_box), (one, other)

    (figure,) = figures
    assert figure.get_suptitle() or figure.axes[0].get_title(loc="left")
    assert figure.get_supylabel() or figure.axes[0].get_ylabel()


def reach(artist):
    """Return the points of a line or scatter, and the radius of their markers, in pixels."""
    if isinstance(artist, Line2D):
        size = 0 if artist.get_marker() in ("None", "") else artist.get_markersize()
        points = artist.get_transform().transform(artist.get_xydata())
    else:
        size = np.sqrt(artist.get_sizes().max())
        points = np.asarray(artist.get_offset_transform().transform(artist.get_offsets()))
    return points[np.isfinite(points).all(axis=1)], size / 2 * artist.get_figure().dpi / 72


@pytest.mark.parametrize("name", PICTURES)
def test_no_curve_and_no_marker_is_cut(name, tmp_path, figures):
    draw(name, tmp_path / "a.png")
    (figure,) = figures
    for axes in figure.axes:
        box = axes.get_window_extent()
        for artist in [*axes.lines, *axes.collections]:
            of_data = artist.get_transform().contains_branch_seperately(axes.transData)
            if isinstance(artist, Line2D) and not all(of_data):
                continue  # a vertical line across the axes
            if isinstance(artist, Line2D | PathCollection) and artist.get_clip_on():
                points, size = reach(artist)
                for along, low, high in ((0, box.x0, box.x1), (1, box.y0, box.y1)):
                    assert points[:, along].min(initial=high) >= low + size - 0.01, artist
                    assert points[:, along].max(initial=low) <= high - size + 0.01, artist


@pytest.mark.parametrize("name", ["waveform", "durations_by_emotion", "learning_curves"])
def test_same_bytes_twice(name, tmp_path):
    draw(name, tmp_path / "a.png")
    draw(name, tmp_path / "b.png")
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


def lightness(colour):
    return np.dot(colour[:3], GREY)


def test_a_third_panel_is_of_whatever_is_rated(tmp_path, figures):
    table = history(1, 60)
    results.learning_curves(tmp_path / "a.png", table.assign(train_ccc=0.5, val_ccc=0.25))
    panel = figures[0].axes[2]
    assert panel.get_title(loc="left") == "Agreement with the ratings"  # of one dimension or two
    assert [line.get_ydata()[0] for line in panel.get_lines()] == [0.5, 0.25]


def test_curves_differ_without_colour(tmp_path, figures):
    results.learning_curves(tmp_path / "a.png", history(1, 60))
    for axes in figures[0].axes:
        train, validation = axes.get_lines()
        assert (train.get_label(), validation.get_label()) == ("train", "validation")
        assert train.get_linestyle() != validation.get_linestyle()
        assert train.get_marker() != validation.get_marker()
    grey = np.asarray(Image.open(tmp_path / "a.png").convert("L"))
    levels, counts = np.unique(grey, return_counts=True)
    common = {int(level) for level in levels[counts > 1000]}
    assert any(level < 80 for level in common)
    assert any(120 < level < 180 for level in common)


@pytest.mark.parametrize(
    "name", ["speakers_few", "confusion_matrix", "mel_spectrograms", "gallery"]
)
def test_colours_run_evenly_from_light_to_dark(name, tmp_path, figures):
    draw(name, tmp_path / "a.png")
    axes = figures[0].axes[0]
    (image,) = axes.images or axes.collections
    colours = image.get_cmap()(np.linspace(0, 1, 50))
    steps = np.diff(colours[:, :3] @ GREY)
    assert np.all(steps > 0) or np.all(steps < 0)
    assert abs(steps.sum()) > 0.6


def test_mean_over_folds(tmp_path, figures):
    table = history(2, 3)
    # The second fold stopped early.
    results.learning_curves(tmp_path / "a.png", table.drop(index=5))
    accuracy = figures[0].axes[1]
    lines = [line for line in accuracy.get_lines() if line.get_label() == "validation"]
    np.testing.assert_allclose(lines[0].get_ydata(), [0.25, 0.5, 0.8 - 0.5 / 3])
    assert len(accuracy.get_lines()) == 2 * (2 + 1)


def test_empty_validation_is_left_out(tmp_path, figures):
    as_text = history(1, 4, validated=False).astype(str).replace("nan", "")
    results.learning_curves(tmp_path / "a.png", as_text)
    assert [line.get_label() for line in figures[0].axes[0].get_lines()] == ["train"]


def test_confusion_matrix_shows_counts_and_shares_of_the_actual(tmp_path, figures):
    draw("confusion_matrix", tmp_path / "a.png")
    axes = figures[0].axes[0]
    assert [text.get_text() for text in axes.texts] == [
        *("20\n83%", "1\n4%", "3\n12%"),
        *("0\n0%", "0\n0%", "0\n0%"),
        *("5\n0%", "0\n0%", "1200\n100%"),
    ]
    assert (axes.get_ylabel(), axes.get_xlabel()) == ("actual", "predicted")
    # Texts contrast with their cells.
    image = axes.images[0]
    for text, cell in zip(axes.texts, image.to_rgba(image.get_array()).reshape(-1, 4), strict=True):
        assert abs(lightness(cell) - (text.get_color() == "white")) > 0.4


def test_every_speaker_is_shown_once(tmp_path, figures):
    table = speakers(91, ["angry", "sad"])
    dataset.clips_by_speaker(tmp_path / "a.png", table)
    columns = figures[0].axes[:-1]
    shown = [label.get_text() for axes in columns for label in axes.get_yticklabels()]
    assert shown == list(table.index)
    cells = [text.get_text() for axes in columns for text in axes.texts if text.get_text()]
    assert cells == [str(n) for n in table.to_numpy().ravel()]


@pytest.mark.parametrize("seconds", [0.2, 3])
def test_every_sample_of_a_waveform_is_drawn(tmp_path, figures, seconds):
    samples = np.random.default_rng(0).uniform(-0.2, 1, round(16000 * seconds))
    dataset.waveform(tmp_path / "a.png", samples, 16000, "a clip")
    (axes,) = figures[0].axes
    (line,) = (line for line in axes.get_lines() if line.get_visible())
    np.testing.assert_array_equal(line.get_ydata(), samples)
    assert line.get_xdata() == pytest.approx(np.arange(len(samples)) / 16000)
    assert not any(envelope.get_visible() for envelope in axes.collections)


def corners(axes):
    """Return where a spectrogram begins and ends, in seconds and Hz."""
    (mesh,) = axes.collections
    x, y = mesh.get_coordinates()[..., 0], mesh.get_coordinates()[..., 1]
    return tuple(pytest.approx(edge) for edge in (x.min(), x.max(), y.min(), y.max()))


def test_spectrogram_axes(tmp_path, figures):
    bands = np.arange(100.0, 5001.0, 100.0)
    mels = {"short": np.full((10, 50), -80.0), "long": np.zeros((21, 50))}
    dataset.mel_spectrograms(tmp_path / "a.png", mels, 0.5, bands)
    short, long, scale = figures[0].axes
    ticks = {label.get_text(): label.get_position()[1] for label in long.get_yticklabels()}
    assert {"512", "1024", "2048", "4096"} <= set(ticks)
    assert all(float(text) == hertz for text, hertz in ticks.items())
    # Up to 1000 Hz evenly, above it by octaves.
    for hertz in ((200, 500, 800), (1000, 2000, 4000)):
        lower, upper = np.diff([long.transData.transform((0, h))[1] for h in hertz])
        assert lower == pytest.approx(upper)
    assert short.get_xlim() == (-0.25, 10.25)
    # A frame's middle is at a multiple of the step, a band's at its own frequency.
    assert corners(short) == (-0.25, 4.75, 50, 5050)
    assert "dB" in scale.get_ylabel()


def test_gallery_has_a_row_per_emotion_and_a_column_per_speaker(tmp_path, figures):
    gallery(tmp_path / "a.png", ["angry", "sad"], ["aesdd/2", "aesdd/10"], [("sad", "aesdd/2")])
    *cells, scale = figures[0].axes
    assert [axes.get_title() for axes in cells] == ["aesdd/2", "aesdd/10", "", ""]
    assert [axes.get_ylabel() for axes in cells] == ["angry", "", "sad", ""]
    assert [len(axes.collections) for axes in cells] == [1, 1, 0, 1]
    # Frames 0 to 30, each at the middle of its 16 ms.
    for axes in cells:
        assert axes.get_xlim() == pytest.approx((-0.5 * 0.016, 30.5 * 0.016))
    assert corners(cells[0])[1] == 19.5 * 0.016
    assert {mesh.get_clim() for axes in cells for mesh in axes.collections} == {(-80, 0)}
    assert "dB" in scale.get_ylabel()


@pytest.mark.parametrize("name", ["durations_by_emotion", "levels_by_emotion"])
def test_median_and_mean_of_each_emotion_differ_without_colour(name, tmp_path, figures):
    values = {"angry": np.array([-1.0, -2.0, -9.0]), "sad": np.array([-5.0, -7.0])}
    getattr(dataset, name)(tmp_path / "a.png", values)
    axes = figures[0].axes[0]
    lines = axes.get_lines()
    means = [line.get_ydata()[0] for line in lines if line.get_marker() == "D"]
    assert means == [-4, -6]
    medians = [line.get_ydata() for line in lines if line.get_linewidth() == 2.5]
    np.testing.assert_array_equal(medians, [[-2, -2], [-6, -6]])
    points = [set(points.get_offsets()[:, 1]) for points in axes.collections]
    assert points == [{-1, -2, -9}, {-5, -7}]
    texts = [text.get_text() for text in figures[0].legends[0].get_texts()]
    assert texts == ["clip", "median", "mean", "quartiles", "farthest clip within 1.5 box lengths"]


def test_waveform_fills_the_time_axis(tmp_path, figures):
    dataset.waveform(tmp_path / "a.png", speech(2), 1000, "clip")
    dataset.waveform(tmp_path / "b.png", 0 * speech(2), 1000, "clip")
    assert figures[0].axes[0].get_xlim() == (0, 2)
    loud, silent = (np.asarray(Image.open(tmp_path / f"{n}.png").convert("L")) for n in "ab")
    assert (loud < 100).sum() > 5 * (silent < 100).sum()


def test_reliability_counts_and_title(tmp_path, figures):
    reliability(tmp_path / "a.png", 10)
    upper, lower = figures[0].axes
    assert [text.get_text() for text in lower.texts] == [str(11 * i) for i in range(1, 10)]
    title = upper.get_title(loc="left")
    assert title.endswith("(calibration error 0.123; before scaling 0.456)")
    assert [bar.get_x() for bar in lower.patches] == pytest.approx(np.arange(1, 10) / 10)
    assert all(bar.get_hatch() for bar in lower.patches)


def test_reliability_that_was_not_scaled_has_one_error_in_its_title(tmp_path, figures):
    reliability(tmp_path / "a.png", 10, unscaled=None)
    title = figures[0].axes[0].get_title(loc="left")
    assert title.endswith("(calibration error 0.123)")


def test_the_confidences_on_the_coverage_curve_differ_without_colour(tmp_path, figures):
    coverage(tmp_path / "a.png", np.array([0.95, 0.85, 0.75, 0.65]))
    curve, *marks = figures[0].axes[0].get_lines()
    np.testing.assert_allclose(curve.get_xydata(), [[0.25, 1], [0.5, 1], [0.75, 2 / 3], [1, 0.75]])
    # Nothing is left out at 0.5 and 0.6.
    expected = {"0.5": (1, 0.75), "0.6": (1, 0.75), "0.7": (0.75, 2 / 3), "0.8": (0.5, 1)}
    found = {mark.get_label(): tuple(mark.get_xydata()[0]) for mark in marks}
    assert found == {f"at least {least}": point for least, point in expected.items()} | {
        "at least 0.9": (0.25, 1)
    }
    assert len({mark.get_marker() for mark in marks}) == 5


def test_loss_curves_are_drawn_side_by_side_with_one_legend(tmp_path, figures):
    rows = [
        {"experiment": name, "fold": fold, "epoch": epoch, "train_loss": 1 / epoch}
        | ({"test_loss": 2 / epoch} if name == "b" else {"val_loss": 3 / epoch})
        for name in ("b", "a", "c", "d")
        for fold in (1, 2)
        for epoch in (1, 2, 3)
    ]
    pictures.loss_curves(tmp_path / "compare.png", pd.DataFrame(rows))
    (figure,) = figures
    shown = [axes for axes in figure.axes if axes.axison]
    assert [axes.get_title(loc="left") for axes in shown] == ["b", "a", "c", "d"]
    mean = {line.get_label(): line for line in shown[0].lines}
    assert mean["test, decides nothing"].get_ydata().tolist() == [2, 1, pytest.approx(2 / 3)]
    assert "validation" not in mean
    (legend,) = figure.legends
    assert {text.get_text() for text in legend.get_texts()} == {
        "train", "validation", "test, decides nothing",
    }  # fmt: skip


def test_one_epoch_is_noted(tmp_path, figures):
    rows = pd.concat([history(1, 1).assign(experiment="a"), history(1, 2).assign(experiment="b")])
    pictures.loss_curves(tmp_path / "a.png", rows)
    results.learning_curves(tmp_path / "b.png", history(1, 1))
    one, more = figures[0].axes[:2]
    assert one.get_xlabel() == "epoch (trained for one only)"
    assert more.get_xlabel() == "epoch"
    assert {axes.get_xlabel() for axes in figures[1].axes} == {one.get_xlabel()}


def test_a_cell_of_the_gallery_without_a_clip_states_so(tmp_path, figures):
    gallery(tmp_path / "a.png", ["angry", "sad"], ["a/1", "a/2"], missing=[("sad", "a/2")])
    texts = [[text.get_text() for text in axes.texts] for axes in figures[0].axes[:4]]
    assert texts == [[], [], [], ["no clip"]]


def test_the_gallery_states_how_many_speakers_it_shows(tmp_path, figures):
    gallery(tmp_path / "a.png", ["angry"], ["aesdd/1", "aesdd/2"])
    gallery(tmp_path / "b.png", ["angry"], ["aesdd/1", "aesdd/2"], in_all=91)
    titles = [figure.get_suptitle() for figure in figures]
    assert "(all 2 speakers)" in titles[0]
    assert "(2 of 91 speakers)" in titles[1]


def test_levels_are_not_called_loud(tmp_path, figures):
    draw("levels_by_emotion", tmp_path / "a.png")
    (axes,) = figures[0].axes
    assert "all peaks are alike" in axes.get_title(loc="left")
    assert "clip's own peak" in axes.get_ylabel()


def test_every_trial_is_named_with_its_repetitions_and_their_mean(tmp_path, figures):
    table = pd.DataFrame(
        {
            "trial": ["long", "long", "short", "untimed"],
            "clips": 356,
            "accuracy": [0.9, 0.8, 0.7, 0.6],
            "seconds": [20.0, 30.0, 5.0, np.nan],
        }
    )
    pictures.accuracy_time(tmp_path / "a.png", table)
    accuracies, times = figures[0].axes
    names = [label.get_text() for label in accuracies.get_yticklabels()]
    assert names == ["untimed", "short", "long"]
    each, means = accuracies.get_lines()
    assert each.get_xdata() == pytest.approx([90, 80, 70, 60])
    assert [names[place] for place in each.get_ydata()] == list(table["trial"])
    assert means.get_xdata() == pytest.approx([60, 70, 85])
    assert times.get_lines()[1].get_xdata() == pytest.approx([np.nan, 5, 25], nan_ok=True)
    assert "356 clips" in figures[0].get_suptitle()


def test_emotions_on_the_map_differ_without_colour():
    marks = results.emotion_marks([*EMOTIONS, *LONG])
    assert len({marker for marker, _ in marks.values()}) == len(marks)
    light = [np.dot(to_rgb(colour), GREY) for _, colour in marks.values()]
    assert (np.diff(light) > 0.03).all()
    assert light[-1] < 0.8  # the paper is 1


def test_clips_that_are_taken_for_another_emotion_are_hollow(tmp_path, monkeypatch):
    drawn = []
    monkeypatch.setattr(Figure, "savefig", lambda figure, *_, **__: drawn.append(figure))
    table = places(40, EMOTIONS)
    results.clip_map(tmp_path / "a.png", table, EMOTIONS)
    (axes,) = drawn[0].axes
    marks = results.emotion_marks(EMOTIONS)
    for hollow in (False, True):
        wrong = (table["predicted"] != table["emotion"]) == hollow
        for emotion, (marker, colour) in marks.items():
            face = "white" if hollow else colour
            (line,) = (
                line
                for line in axes.get_lines()
                if (line.get_marker(), line.get_markerfacecolor()) == (marker, face)
            )
            own = table[wrong & (table["emotion"] == emotion)]
            np.testing.assert_array_equal(line.get_xydata(), own[["x", "y"]])
