"""Make the examples of a fold from the features of all clips and of their copies."""

import copy
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

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
        dimensions: Sequence[str] = (),
    ) -> None:
        """Collect labels and voices, and the statistics of each speaker if they are used.

        Args:
            clips: clip, corpus, speaker, emotion and the dimensions of the table clips.csv.
            features: clip -> float32 [frames, dims].
            model: its normalisation is clip, speaker (by all of the speaker's clips, including test
                clips; labels are not used), corpus (see `of_fold`) or train. Nets that standardise
                what they pool get features without normalisation.
            copies: clip -> where the features of its changed copies are; None without copies.
            dimensions: columns of ratings that the net learns.
        """
        self.dims: dict[str, int] = features.meta["dims"]
        self._features, self._copies = features, copies or {}
        self._normalisation = model.normalisation
        self._ratings = clips.set_index("clip")[list(dimensions)].astype(np.float32)
        self._emotion = dict(zip(clips["clip"], clips["emotion"], strict=True))
        voices = clips["corpus"] if model.normalisation == "corpus" else speaker_of(clips)
        self._voice = dict(zip(clips["clip"], voices, strict=True))
        self._voices_in_order = sorted(set(self._voice.values()))
        # The clips that the voices are measured by, and a new recording.
        self._measured_by, self._measured_by_for_new = list(self._voice), list[str]()
        self._voice_statistics: dict[str, Statistics] = {}
        self._standardises_pooled = needs_of(model).standardises_pooled
        if model.normalisation == "speaker":
            self._measure_voices()

    def of_fold(self, train: Collection[str], tested: Collection[str]) -> "ExampleSource":
        """Return the source of a fold, in which each corpus is normalised by its train clips.

        A corpus without train clips is normalised by all of its clips; labels are not used. New
        recordings are normalised by the clips of the tested corpora that these are normalised by.
        With another model.normalisation, the same source serves all folds.

        Args:
            train: names of the fold's train clips.
            tested: names of the test clips of all folds.
        """
        if self._normalisation != "corpus":
            return self
        in_train = set(train)
        trained_on = {self._voice[clip] for clip in in_train}
        corpora = {self._voice[clip] for clip in tested}
        own = copy.copy(self)
        own._measured_by = [
            clip
            for clip, corpus in self._voice.items()
            if clip in in_train or corpus not in trained_on
        ]
        own._measured_by_for_new = [c for c in own._measured_by if self._voice[c] in corpora]
        own._measure_voices()
        return own

    def _measure_voices(self) -> None:
        if not self._standardises_pooled:
            voices = {clip: self._voice[clip] for clip in self._measured_by}
            self._voice_statistics = measure_groups(self._features.read, voices, self.dims)

    def measure(self, train: Sequence[str]) -> Statistics | None:
        """Compute the statistics to normalise new recordings by; None if a clip has its own.

        Args:
            train: names of the fold's train clips.
        """
        if self._standardises_pooled:
            return identity_statistics(self.dims)
        if self._normalisation not in ("train", "corpus"):
            return None
        clips = train if self._normalisation == "train" else self._measured_by_for_new
        return measure_statistics(map(self._features.read, clips), self.dims)

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
            ratings=self._rated(clips),
        )

    def measured_examples(self, clips: Sequence[str], emotions: Sequence[str]) -> Examples | None:
        """Make the examples by which a net standardises what it pools; None for other nets.

        Args:
            clips: names of the train clips; with normalisation by speaker or corpus, the clips that
                each of them is measured by are used instead.
            emotions: in the order of the labels.
        """
        if not self._standardises_pooled:
            return None
        names = self._measured_by if self._has_voices() else clips
        return self.examples(names, emotions, self.measure(names))

    def new_voices(self) -> np.ndarray | None:
        """Return the numbers of the voices by which a net standardises new recordings: int64.

        None if they are not those of tested corpora.
        """
        if not (self._standardises_pooled and self._normalisation == "corpus"):
            return None
        return np.unique(self._numbers(self._measured_by_for_new))

    def train_examples(
        self,
        clips: Sequence[str],
        emotions: Sequence[str],
        train_statistics: Statistics | None,
        each_copy: bool,
        weight_of: Mapping[str, float] | None = None,
    ) -> Examples:
        """Make examples of clips and their copies, for training.

        Args:
            clips: names.
            emotions: in the order of the labels.
            train_statistics: what `measure` returned for the fold.
            each_copy: whether each copy is a separate example, or a version of its clip's example.
            weight_of: clip -> weight of its loss; None: all are 1.
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
            None if weight_of is None else np.array([weight_of[c] for c in names], np.float32),
            self._rated(names),
        )

    def _rated(self, clips: Sequence[str]) -> NDArray[np.float32] | None:
        """Return the clips' ratings [clips, dimensions]; None if the net does not learn any."""
        if self._ratings.empty:
            return None
        return np.array(self._ratings.loc[list(clips)], np.float32)

    def _voices(self, clips: Sequence[str]) -> np.ndarray | None:
        """Return the numbers of the clips' voices; None if the net does not use them."""
        return self._numbers(clips) if self._standardises_pooled and self._has_voices() else None

    def _has_voices(self) -> bool:
        return self._normalisation in ("speaker", "corpus")

    def _numbers(self, clips: Sequence[str]) -> np.ndarray:
        return np.array([self._voices_in_order.index(self._voice[c]) for c in clips], np.int64)

    def _labels(self, clips: Sequence[str], emotions: Sequence[str]) -> np.ndarray:
        return np.array([emotions.index(self._emotion[clip]) for clip in clips], dtype=np.int64)

    def _statistics(
        self, clips: Sequence[str], train_statistics: Statistics | None
    ) -> list[Statistics | None]:
        return [self._voice_statistics.get(self._voice[clip], train_statistics) for clip in clips]
