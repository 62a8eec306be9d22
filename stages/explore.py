"""Describe the cleaned dataset in figures and pictures."""

from pathlib import Path
from typing import Any

import librosa
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ser import params, tables
from ser.features import frame_count, logmel
from ser.plots import dataset
from ser.store import Store
from stages import cli


def _spread(values: NDArray[Any]) -> dict[str, float]:
    """The least, the middle and the greatest of some values."""
    return {
        "max": values.max().item(),
        "mean": values.mean().item(),
        "median": np.median(values).item(),
        "min": values.min().item(),
    }


def _counts(column: pd.Series) -> dict[str, int]:
    """How often each value occurs, sorted by value."""
    return {str(value): int(n) for value, n in sorted(column.astype(str).value_counts().items())}


def _describe(table: pd.DataFrame, frames: NDArray[np.int64]) -> dict[str, Any]:
    """The dataset's figures, sorted by name."""
    return {
        "channels": _counts(table["channels"]),
        "clips": len(table),
        "emotions": _counts(table["emotion"]),
        "frames": _spread(frames),
        "hours": float(table["seconds"].sum() / 3600),
        "sample_rates": _counts(table["sample_rate"]),
        "seconds": _spread(table["seconds"].to_numpy()),
        "speakers": len(table[["corpus", "speaker"]].drop_duplicates()),
        "subtypes": _counts(table["subtype"]),
    }


def _typical(table: pd.DataFrame) -> pd.DataFrame:
    """The clip of median duration of each emotion."""
    ordered = table.sort_values(["seconds", "clip"]).groupby("emotion")
    return pd.DataFrame([group.iloc[(len(group) - 1) // 2] for _, group in ordered])


def _clips_by_speaker(table: pd.DataFrame) -> pd.DataFrame:
    """Number of clips, a row per corpus/speaker and a column per emotion."""
    # Speakers that are numbers are sorted as numbers: 2 before 10.
    width = table["speaker"].str.len().max()
    order = table.assign(padded=table["speaker"].str.zfill(width)).sort_values(["corpus", "padded"])
    names = order["corpus"] + "/" + order["speaker"]
    return pd.crosstab(names, order["emotion"]).loc[names.unique()]


def main(clips: Path, clean: Path, metrics: Path, plots: Path) -> None:
    """Write the dataset's figures and pictures.

    Args:
        clips: the table of the clips.
        clean: the store of their waveforms.
        metrics: the figures, json.
        plots: folder of the pictures.
    """
    features = params.load().features
    table = tables.read_csv(clips)
    store = Store(clean)
    sample_rate: int = store.meta["sample_rate"]
    frames = np.array(
        [frame_count(store.length(path), features.hop_length) for path in table["path"]]
    )
    tables.write_json(metrics, _describe(table, frames))

    first = table.iloc[0]
    title = f"{first['clip']}: {first['emotion']}, speaker {first['speaker']}"
    dataset.waveform(plots / "waveform.png", store[first["path"]], sample_rate, title)
    typical = {
        f"{row['emotion']}: {row['clip']}": store[row["path"]]
        for _, row in _typical(table).iterrows()
    }
    dataset.waveforms(plots / "waveforms.png", typical, sample_rate)
    dataset.mel_spectrograms(
        plots / "mel_spectrograms.png",
        {name: logmel(waveform, sample_rate, features) for name, waveform in typical.items()},
        features.hop_length / sample_rate,
        # The first and the last are the outer edges of the outer bands.
        librosa.mel_frequencies(n_mels=features.n_mels + 2, fmin=features.fmin, fmax=features.fmax)[
            1:-1
        ],
    )
    seconds = table["seconds"].to_numpy()
    dataset.histogram(plots / "durations.png", seconds, "Durations", "duration", "s")
    dataset.histogram(plots / "frames.png", frames, "Frames per clip", "length", "frames")
    by_emotion = {str(e): group.to_numpy() for e, group in table.groupby("emotion")["seconds"]}
    dataset.durations_by_emotion(plots / "durations_by_emotion.png", by_emotion)
    dataset.clips_by_speaker(plots / "clips_by_speaker.png", _clips_by_speaker(table))


if __name__ == "__main__":
    cli.run(main, "clips", "clean", "metrics", "plots")
