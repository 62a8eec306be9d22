"""The features of all clips and of their copies, from which the examples of a fold are made."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from ser.core.clips import speaker_of
from ser.core.needs import needs_of
from ser.core.sections import Model
from ser.core.store import Store
from ser.core.tables import read_csv
from ser.core.typing import FloatArray
from ser.nets.normalisation import Statistics, as_they_are, measure, measure_groups
from ser.training.batches import Examples


def read_copies(augmented: Path) -> dict[str, list[FloatArray]]:
    """Read the features of every clip's copies: clip -> float32 [frames, dims] of each."""
    store, table = Store(augmented), read_csv(augmented / "copies.csv")
    copies: dict[str, list[FloatArray]] = {}
    for key, clip in zip(table["key"], table["clip"], strict=True):
        copies.setdefault(clip, []).append(store[key])
    return copies


class ExampleSource:
    """Makes examples of clips by their names."""

    def __init__(
        self,
        clips: pd.DataFrame,
        features: Store,
        model: Model,
        copies: Mapping[str, Sequence[FloatArray]] | None = None,
    ) -> None:
        """Gather the clips.

        Args:
            clips: the table clips.csv.
            features: clip -> float32 [frames, dims].
            model: its normalisation is clip, speaker (over all the speaker's clips, whichever side
                of a split they are on: no label is used) or train; nets that standardise what they
                pool take features as they are.
            copies: clip -> features of its changed copies; None: there are none.
        """
        self.dims: dict[str, int] = features.meta["dims"]
        self._features, self._copies = features, copies or {}
        self._normalisation = model.normalisation
        self._emotion = dict(zip(clips["clip"], clips["emotion"], strict=True))
        self._speaker = dict(zip(clips["clip"], speaker_of(clips), strict=True))
        self._of_speaker: dict[str, Statistics] = {}
        self._speakers = sorted(set(self._speaker.values()))
        self._as_they_are = needs_of(model).standardises_pooled
        if model.normalisation == "speaker" and not self._as_they_are:
            self._of_speaker = measure_groups(features, self._speaker, self.dims)

    def measure(self, train: Sequence[str]) -> Statistics | None:
        """Compute the statistics of a fold's train clips; None if others normalise."""
        if self._as_they_are:
            return as_they_are(self.dims)
        if self._normalisation != "train":
            return None
        return measure((self._features[clip] for clip in train), self.dims)

    def examples(
        self, clips: Sequence[str], emotions: Sequence[str], train_statistics: Statistics | None
    ) -> Examples:
        """Make one example of each clip, without its copies: to predict.

        Args:
            clips: names.
            emotions: in the order of the labels.
            train_statistics: what `measure` gave for the fold.
        """
        return Examples(
            [[self._features[clip]] for clip in clips],
            self._labels(clips, emotions),
            self.dims,
            self._statistics(clips, train_statistics),
            self._voices(clips),
        )

    def measured_examples(self, clips: Sequence[str], emotions: Sequence[str]) -> Examples | None:
        """Make examples of what a net that standardises what it pools measures; None for others.

        Args:
            clips: names of the train clips; with normalisation by speaker, every speaker is
                measured by all of their clips.
            emotions: in the order of the labels.
        """
        if not self._as_they_are:
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
        """Make examples of clips and their copies: to train on.

        Args:
            clips: names.
            emotions: in the order of the labels.
            train_statistics: what `measure` gave for the fold.
            each_copy: whether each copy is an example of its own, or a version of its clip's.
        """
        versions = [[self._features[clip], *self._copies.get(clip, ())] for clip in clips]
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
        """Number the speakers of clips, where the net is to know them."""
        if not (self._as_they_are and self._normalisation == "speaker"):
            return None
        return np.array([self._speakers.index(self._speaker[clip]) for clip in clips], np.int64)

    def _labels(self, clips: Sequence[str], emotions: Sequence[str]) -> np.ndarray:
        return np.array([emotions.index(self._emotion[clip]) for clip in clips], dtype=np.int64)

    def _statistics(
        self, clips: Sequence[str], train_statistics: Statistics | None
    ) -> list[Statistics | None]:
        return [train_statistics or self._of_speaker.get(self._speaker[clip]) for clip in clips]
