"""Describe the cleaned dataset in figures and pictures."""

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ser.core import params, tables
from ser.core.clips import speaker_of
from ser.core.filters import filter_banks, mel_band_hertz
from ser.core.framing import frame_count
from ser.core.store import Store
from ser.core.typing import FloatArray
from ser.features.extract import logmel
from ser.plots import dataset
from stages import run_stage

_SPEAKERS_IN_GALLERY = 6  # at least one of each corpus, so more if there are more corpora


def _spread(values: NDArray[Any]) -> dict[str, float]:
    """Compute the minimum, mean, median and maximum."""
    return {
        "max": values.max().item(),
        "mean": values.mean().item(),
        "median": np.median(values).item(),
        "min": values.min().item(),
    }


def _counts(column: pd.Series) -> dict[str, int]:
    """Count how often each value occurs, sorted by value."""
    return {str(value): int(n) for value, n in sorted(column.astype(str).value_counts().items())}


def _level_db(waveform: FloatArray) -> float:
    """Compute the RMS of a waveform [samples] in dB relative to its peak."""
    rms = np.sqrt(np.mean(np.square(waveform, dtype=np.float64)))
    return float(20 * np.log10(rms / np.abs(waveform).max()))


def _by_emotion(table: pd.DataFrame, column: str) -> dict[str, NDArray[Any]]:
    """The values of a column, emotion by emotion."""
    return {str(emotion): rows.to_numpy() for emotion, rows in table.groupby("emotion")[column]}


def _describe(table: pd.DataFrame, frames: NDArray[np.int64]) -> dict[str, Any]:
    """Compute the dataset's figures, sorted by name."""
    return {
        "channels": _counts(table["channels"]),
        "clips": len(table),
        "corpora": _counts(table["corpus"]),
        "emotions": _counts(table["emotion"]),
        "frames": _spread(frames),
        "hours": float(table["seconds"].sum() / 3600),
        "level_db": {e: _spread(levels) for e, levels in _by_emotion(table, "level_db").items()},
        "sample_rates": _counts(table["sample_rate"]),
        "seconds": _spread(table["seconds"].to_numpy()),
        "speakers": speaker_of(table).nunique(),
        "subtypes": _counts(table["subtype"]),
    }


def _typical(table: pd.DataFrame, columns: list[str]) -> pd.DataFrame:
    """Find the clip of median duration for each combination of values in some columns."""
    ordered = table.sort_values(["seconds", "clip"]).groupby(columns)
    return pd.DataFrame([group.iloc[(len(group) - 1) // 2] for _, group in ordered])


def _clips_by_speaker(table: pd.DataFrame) -> pd.DataFrame:
    """Count the clips: a row per corpus/speaker and a column per emotion."""
    # Padded with zeros, numbers are sorted as numbers: 2 before 10.
    width = table["speaker"].str.len().max()
    order = table.assign(padded=table["speaker"].str.zfill(width)).sort_values(["corpus", "padded"])
    names = speaker_of(order)
    return pd.crosstab(names, order["emotion"]).loc[names.unique()]


def _gallery_speakers(speakers: pd.Index) -> list[str]:
    """Return the first speakers, `<corpus>/<speaker>`, taking one from each corpus in turn.

    >>> _gallery_speakers(pd.Index(["a/1", "a/2", "a/3", "a/4", "a/5", "a/6", "b/1"]))
    ['a/1', 'a/2', 'a/3', 'a/4', 'a/5', 'b/1']
    """
    rank: Counter[str] = Counter()
    order: list[tuple[int, int, str]] = []
    for speaker in speakers:
        corpus = speaker.split("/")[0]
        order.append((rank[corpus], len(order), speaker))
        rank[corpus] += 1
    chosen = sorted(order)[: max(_SPEAKERS_IN_GALLERY, len(rank))]
    return [speaker for _, _, speaker in sorted(chosen, key=lambda entry: entry[1])]


def main(clips: Path, clean: Path, report: Path, plots: Path) -> None:
    """Write the dataset's figures and pictures.

    Args:
        clips: the table of the clips.
        clean: the store of their waveforms.
        report: the figures, json.
        plots: folder of the pictures.
    """
    features = params.load().features
    table = tables.read_csv(clips)
    store = Store(clean)
    table["level_db"] = [_level_db(store.read(path)) for path in table["path"]]
    sample_rate: int = store.meta["sample_rate"]
    frames = np.array(
        [frame_count(store.length(path), features.hop_length) for path in table["path"]]
    )
    tables.write_report(report, _describe(table, frames))

    first = table.iloc[0]
    title = f"{first['clip']}: {first['emotion']}, speaker {first['speaker'] or 'unknown'}"
    dataset.waveform(plots / "waveform.png", store[first["path"]], sample_rate, title)
    typical = {
        f"{row['emotion']}: {row['clip']}": store[row["path"]]
        for _, row in _typical(table, ["emotion"]).iterrows()
    }
    dataset.waveforms(plots / "waveforms.png", typical, sample_rate)
    counts = _clips_by_speaker(table)
    dataset.clips_by_speaker(plots / "clips_by_speaker.png", counts)

    seconds_per_frame = features.hop_length / sample_rate
    banks, band_hertz = filter_banks(sample_rate, features), mel_band_hertz(features)
    dataset.mel_spectrograms(
        plots / "mel_spectrograms.png",
        {
            name: logmel(waveform, sample_rate, features, banks)
            for name, waveform in typical.items()
        },
        seconds_per_frame,
        band_hertz,
    )
    speakers = _gallery_speakers(counts.index)
    named = table.assign(speaker=speaker_of(table))
    shown = _typical(named[named["speaker"].isin(speakers)], ["emotion", "speaker"])
    dataset.spectrogram_gallery(
        plots / "spectrogram_gallery.png",
        list(counts.columns),
        speakers,
        len(counts),
        {
            (row["emotion"], row["speaker"]): logmel(
                store[row["path"]], sample_rate, features, banks
            )
            for _, row in shown.iterrows()
        },
        seconds_per_frame,
        band_hertz,
    )

    seconds = table["seconds"].to_numpy()
    title = f"Durations of {len(table):,} clips"
    dataset.histogram(plots / "durations.png", seconds, title, "duration", "s")
    title = f"Frames per clip ({len(table):,} clips, a frame every {1000 * seconds_per_frame:g} ms)"
    dataset.histogram(plots / "frames.png", frames, title, "length", "frames")
    durations, levels = (_by_emotion(table, column) for column in ("seconds", "level_db"))
    dataset.durations_by_emotion(plots / "durations_by_emotion.png", durations)
    dataset.levels_by_emotion(plots / "levels_by_emotion.png", levels)


if __name__ == "__main__":
    run_stage(main)
