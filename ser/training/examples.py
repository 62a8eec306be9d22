"""Make the examples of a fold from the features of all clips and of their copies."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from ser.core.clips import speaker_of
from ser.core.needs import needs_of
from ser.core.sections import Model
from ser.core.store import ArraySlice, Store
from ser.core.tables import read_csv
from ser.nets.normalisation import (
    Statistics,
    identity_statistics,
    measure_groups,
    measure_statistics,
)
from ser.training.batches import Examples


def find_copies(augmented: Path) -> dict[str, list[ArraySlice]]:
    """Return where the features of every clip's copies are: clip -> [frames, dims] of each copy."""
    store, table = Store(augmented), read_csv(augmented / "copies.csv", ["key", "clip"])
    copies: dict[str, list[ArraySlice]] = {}
    for key, clip in zip(table["key"], table["clip"], strict=True):
        copies.setdefault(clip, []).append(store.array_slice(key))
    return copies


class ExampleSource:
    """Make examples of clips by their names."""

    def __init__(
        self,
        clips: pd.DataFrame,
        features: Store,
        model: Model,
        copies: Mapping[str, Sequence[ArraySlice]] | None = None,
    ) -> None:
        """Collect labels and speakers, and the statistics of each speaker if they are used.

        Args:
            clips: clip, corpus, speaker and emotion of the table clips.csv.
            features: clip -> float32 [frames, dims].
            model: its normalisation is clip, speaker (by all of the speaker's clips, including test
                clips; labels are not used) or train. Nets that standardise what they pool get
                features without normalisation.
            copies: clip -> where the features of its changed copies are; None without copies.
        """
        self.dims: dict[str, int] = features.meta["dims"]
        self._features, self._copies = features, copies or {}
        self._normalisation = model.normalisation
        self._emotion = dict(zip(clips["clip"], clips["emotion"], strict=True))
        self._speaker = dict(zip(clips["clip"], speaker_of(clips), strict=True))
        self._speaker_statistics: dict[str, Statistics] = {}
        self._speakers = sorted(set(self._speaker.values()))
        self._standardises_pooled = needs_of(model).standardises_pooled
        if model.normalisation == "speaker" and not self._standardises_pooled:
            self._speaker_statistics = measure_groups(features.read, self._speaker, self.dims)

    def measure(self, train: Sequence[str]) -> Statistics | None:
        """Compute the statistics of a fold's train clips; None if they are not used."""
        if self._standardises_pooled:
            return identity_statistics(self.dims)
        if self._normalisation != "train":
            return None
        return measure_statistics(map(self._features.read, train), self.dims)

    def examples(
        self, clips: Sequence[str], emotions: Sequence[str], train_statistics: Statistics | None
    ) -> Examples:
        """Make one example of each clip, without its copies, for prediction.

        Args:
            clips: names.
            emotions: in the order of the labels.
            train_statistics: what `measure` returned for the fold.
        """
        return Examples(
            [[self._features.array_slice(clip)] for clip in clips],
            self._labels(clips, emotions),
            self.dims,
            self._statistics(clips, train_statistics),
            self._voices(clips),
        )

    def measured_examples(self, clips: Sequence[str], emotions: Sequence[str]) -> Examples | None:
        """Make the examples by which a net standardises what it pools; None for other nets.

        Args:
            clips: names of the train clips; with normalisation by speaker, all clips of every
                speaker are used instead.
            emotions: in the order of the labels.
        """
        if not self._standardises_pooled:
            return None
        names = list(self._speaker) if self._normalisation == "speaker" else clips
        return self.examples(names, emotions, self.measure(names))

    def train_examples(
        self,
        clips: Sequence[str],
        emotions: Sequence[str],
        train_statistics: Statistics | None,
        each_copy: bool,
    ) -> Examples:
        """Make examples of clips and their copies, for training.

        Args:
            clips: names.
            emotions: in the order of the labels.
            train_statistics: what `measure` returned for the fold.
            each_copy: whether each copy is a separate example, or a version of its clip's example.
        """
        versions = [
            [self._features.array_slice(clip), *self._copies.get(clip, ())] for clip in clips
        ]
        names = list(clips)
        if each_copy:
            names = [clip for clip, own in zip(clips, versions, strict=True) for _ in own]
            versions = [[version] for own in versions for version in own]
        return Examples(
            versions,
            self._labels(names, emotions),
            self.dims,
            self._statistics(names, train_statistics),
            self._voices(names),
        )

    def _voices(self, clips: Sequence[str]) -> np.ndarray | None:
        """Return the numbers of the clips' speakers; None if the net does not use them."""
        if not (self._standardises_pooled and self._normalisation == "speaker"):
            return None
        return np.array([self._speakers.index(self._speaker[clip]) for clip in clips], np.int64)

    def _labels(self, clips: Sequence[str], emotions: Sequence[str]) -> np.ndarray:
        return np.array([emotions.index(self._emotion[clip]) for clip in clips], dtype=np.int64)

    def _statistics(
        self, clips: Sequence[str], train_statistics: Statistics | None
    ) -> list[Statistics | None]:
        return [
            train_statistics or self._speaker_statistics.get(self._speaker[clip]) for clip in clips
        ]
