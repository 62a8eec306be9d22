"""params.yaml as typed, validated objects; nothing else reads that file.

`load` checks the whole file, whichever section the caller needs. A mistake in any section is thus
found before the first stage does any work.
"""

from pathlib import Path
from typing import Self

from pydantic import model_validator

from ser.core.errors import UserError
from ser.core.kinds import HIGHEST_PITCH, KINDS, LOGMEL, describes_whole_clips, needs_given
from ser.core.needs import needs_of
from ser.core.net_problems import net_problems
from ser.core.sections import (
    Augment,
    Clean,
    Evaluate,
    FeatureSettings,
    ModelSettings,
    Pull,
    Section,
    Split,
)
from ser.core.tables import CLIP_COLUMNS
from ser.core.validation import check_settings
from ser.core.yaml_reader import read_yaml

# Columns of clips.csv that name a single clip, or what is predicted.
_NOT_GROUPS = ("clip", "path", "emotion", "samples_digest")


class Params(Section):
    """All of params.yaml."""

    pull: Pull
    clean: Clean
    features: FeatureSettings
    augment: Augment
    split: Split
    model: ModelSettings
    evaluate: Evaluate

    @model_validator(mode="after")
    def _sections_agree(self) -> Self:
        nyquist = self.clean.sample_rate / 2
        if self.features.fmax > nyquist:
            raise ValueError(
                f"features.fmax {self.features.fmax} Hz is above the Nyquist frequency "
                f"{nyquist} Hz of clean.sample_rate {self.clean.sample_rate} Hz"
            )
        if problem := self.features.problem_of_size(self.clean.sample_rate):
            raise ValueError(f"features.{problem}")
        if self.clean.highpass >= self.features.fmax:
            raise ValueError(
                f"clean.highpass {self.clean.highpass} Hz removes everything up to features.fmax "
                f"{self.features.fmax} Hz"
            )
        if LOGMEL not in self.features.kinds and (keys := self._changes_of_bands()):
            raise ValueError(
                f"{', '.join(keys)} must be 0: mel bands would be changed, but features.kinds "
                f"{self.features.kinds} has no {LOGMEL}"
            )
        if found := self._problems_of_kinds():
            raise ValueError("; ".join(found))
        refused = net_problems(self.model, self.features.dims)
        if refused:
            raise ValueError("; ".join(refused))
        if needs_of(self.model).learner and self.augment.copies > 0 and self.model.copies == "one":
            raise ValueError(
                f"model.copies must be all: {self.model.name} is fitted once, so of a clip and its "
                f"{self.augment.copies} copies (augment.copies) it would use only one"
            )
        bands = self.features.n_mels
        for key in ("frequency_shift", "frequency_mask"):
            if (value := getattr(self.model, key)) >= bands:
                raise ValueError(
                    f"model.{key} {value} leaves none of the features.n_mels {bands} bands where "
                    f"it was: at most {bands - 1}"
                )
        return self

    @model_validator(mode="after")
    def _corpora_agree(self) -> Self:
        tested, trained_only = self.split.test_corpora, list(self.split.train_corpora)
        pulled = self.pull.corpora
        for key, named in (("test_corpora", tested), ("train_corpora", trained_only)):
            if strange := [corpus for corpus in named if corpus not in pulled]:
                raise ValueError(
                    f"split.{key} names {', '.join(strange)}, which pull.corpora {pulled} does not"
                )
        if trained_only and set(trained_only) == set(pulled):
            raise ValueError(
                f"split.train_corpora {trained_only} are all of pull.corpora: none is left to test"
            )
        if tested and set(tested) == set(pulled):
            raise ValueError(
                f"split.test_corpora {tested} are all of pull.corpora: none is left to train on"
            )
        if tested and {*tested, *trained_only} == set(pulled):
            raise ValueError(
                f"split.test_corpora {tested} and split.train_corpora {trained_only} are all of "
                "pull.corpora: scheme cross_corpus trains on the others, validates on some of "
                "them, and adds split.train_corpora; take one out of split.train_corpora"
            )
        if self.model.balance in ("smote", "adasyn") and any(
            weight != 1 for weight in self.split.train_corpora.values()
        ):
            raise ValueError(
                f"model.balance {self.model.balance} makes clips between two others, which may "
                f"differ in weight: set the weights of split.train_corpora to 1, or model.balance "
                "upsample or class_weights"
            )
        return self

    @model_validator(mode="after")
    def _groups_are_columns(self) -> Self:
        known = [name for name in CLIP_COLUMNS if name not in _NOT_GROUPS] + self.clean.columns
        if strange := [name for name in self.evaluate.groups if name not in known]:
            raise ValueError(
                f"evaluate.groups names {', '.join(strange)}: clips can be grouped by "
                f"{', '.join(known)}, and by a column of labels.csv that clean.columns names"
            )
        return self

    def _changes_of_bands(self) -> list[str]:
        """Return the settings that change mel bands."""
        set_to = {
            "augment.frequency_mask.probability": self.augment.copies > 0
            and self.augment.frequency_mask.probability,
            "model.frequency_mask": self.model.frequency_mask,
            "model.frequency_shift": self.model.frequency_shift,
        }
        return [key for key, value in set_to.items() if value]

    def _problems_of_kinds(self) -> list[str]:
        """Return the settings that make no sense with these kinds of features."""
        augment, n_fft = self.augment, self.features.n_fft
        kinds = [KINDS[kind] for kind in self.features.kinds]
        shortest = 2 * self.clean.sample_rate / HIGHEST_PITCH
        found = []
        if any(kind.pitch for kind in kinds) and n_fft < shortest:
            found.append(
                f"features.n_fft {n_fft} must be at least {shortest:.0f}, two periods of the "
                f"highest pitch looked for, {HIGHEST_PITCH:.0f} Hz at clean.sample_rate "
                f"{self.clean.sample_rate} Hz"
            )
        noisy = augment.copies > 0 and augment.feature_noise.probability > 0
        if any(kind.mixed_units for kind in kinds) and noisy:
            found.append(
                "augment.feature_noise.probability must be 0: one deviation is taken over all "
                f"columns, but those of features.kinds [{', '.join(self.features.kinds)}] have "
                "different units"
            )
        if needs_given(self.features.kinds) and augment.copies > 0:
            found.append(
                f"augment.copies must be 0, got {augment.copies}: features.table "
                f"{self.features.table!r} has no rows for changed copies of clips"
            )
        return [*found, *self._problems_of_whole_clips()]

    def _problems_of_whole_clips(self) -> list[str]:
        """Return the settings that make no sense if a clip is one row of features."""
        augment, model = self.augment, self.model
        if not describes_whole_clips(self.features.kinds):
            return []
        named = ", ".join(self.features.kinds)
        found = []
        if augment.copies > 0 and augment.time_mask.probability > 0:
            found.append(
                "augment.time_mask.probability must be 0: it hides frames, but features.kinds "
                f"[{named}] has none"
            )
        takes_frames_away = {
            "crop.probability": model.crop.probability,
            "time_mask": model.time_mask,
        }
        found += [
            f"model.{key} must be 0: it takes frames away, but features.kinds [{named}] has none"
            for key, value in takes_frames_away.items()
            if value > 0
        ]
        if model.normalisation == "clip":
            found.append(
                "model.normalisation must be train, corpus or speaker: a single clip's "
                f"{named} have no mean and deviation of their own"
            )
        return found


def parse_params(values: object, where: str) -> Params:
    """Check the values of a params file.

    Args:
        values: content of the YAML file, a mapping of sections.
        where: the file's name, for the error.

    Raises:
        UserError: names every wrong key, its value and what is allowed.
    """
    return check_settings(Params, values, where)


def load(path: Path | str = "params.yaml") -> Params:
    """Read and check a params file.

    Raises:
        UserError: the file is missing, is not YAML, or is not valid.
    """
    try:
        text = Path(path).read_bytes()
    except OSError as error:
        raise UserError(
            f"cannot read {path}: {error.strerror}; run stages from the project's folder"
        ) from None
    return parse_params(read_yaml(text, str(path)), str(path))
