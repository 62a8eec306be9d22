"""Describe a trained model besides its weights: model.json, or the metadata of an ONNX file."""

import json
import platform
from collections.abc import Iterable
from importlib import metadata
from pathlib import Path
from typing import Annotated, Any, Self

import numpy as np
from pydantic import BeforeValidator, Field, PlainSerializer, PlainValidator, model_validator

from ser.core.clips import CorpusSummary
from ser.core.dimensions import DIMENSIONS
from ser.core.emotions import problem_of_name
from ser.core.errors import UserError
from ser.core.figures import Figures, UnheardVoices
from ser.core.filters import filter_banks, to_json
from ser.core.preprocessing import Preprocessing
from ser.core.sections import (
    AudioForm,
    AudioLimits,
    Augment,
    ClipWeight,
    Features,
    Model,
    Section,
)
from ser.core.validation import check
from ser.nets.normalisation import Scale, Statistics, check_statistics

FORMAT = 10
_PLAIN = 9  # still written, for older programs, without dimensions and in float32
_OLDER = (3, 4, 5, 6, 7, 8, _PLAIN)  # older formats that can be read
_MAX_CLIPPED = 0.2  # of models of format 3
# Settings of training that older formats lack, with the values that have no effect.
_NEWER_SETTINGS = {
    "learning_rate_batch": 0,
    "crop": {"probability": 0.0, "share": [1.0, 1.0]},
    "frequency_shift": 0.0,
}
_LEARNERS_SETTINGS = {"c": 1.0}  # without effect, because models up to format 8 are nets
_TOP_DB = 80.0  # of models up to format 6
# A change of copies that format 6 may lack; with its probability of 0 it changes nothing.
_NO_RECORDING = {
    "probability": 0.0,
    "rt60": [0.1, 0.9],
    "direct_db": [-3.0, 12.0],
    "snr_db": [5.0, 30.0],
    "tilt_db": [-6.0, 0.0],
    "low_hz": [20.0, 350.0],
    "high_hz": [2500.0, 8000.0],
    "clipped": [0.005, 0.08],
    "codec_kbps": [14.0, 40.0],
}
COLDEST, HOTTEST = 0.05, 20.0  # temperatures that a model may have
LIBRARIES = ("ser", "librosa", "numpy", "scipy", "soundfile", "soxr", "torch")


class UnusableModelError(UserError):
    """A model's folder or file is missing or damaged."""

    def __init__(self, source: Path, reason: str) -> None:
        super().__init__(f"{source} holds no usable model ({reason})")


def _arrays(described: Any) -> Statistics | None:  # noqa: ANN401 - whatever a file holds
    """Convert the lists of JSON to arrays."""
    if described is None:
        return None
    try:
        return {kind: (_scale(mean), _scale(dev)) for kind, (mean, dev) in described.items()}
    except (AttributeError, TypeError, OverflowError) as error:
        raise ValueError(f"mean and deviation of each kind of features expected: {error}") from None


def _scale(value: Any) -> Scale:  # noqa: ANN401
    numbers = value if isinstance(value, list | np.ndarray) else [value]
    if not all(isinstance(n, int | float) and not isinstance(n, bool) for n in numbers):
        raise TypeError(f"a number or a list of numbers, got {repr(value)[:80]}")
    return float(value) if numbers is not value else np.array(value, np.float64)


def _lists(statistics: Statistics | None) -> dict[str, list[Any]] | None:
    if statistics is None:
        return None
    return {
        kind: [v if isinstance(v, float) else v.tolist() for v in scales]
        for kind, scales in statistics.items()
    }


def _split(text: Any) -> Any:  # noqa: ANN401 - whatever a file holds
    return text.split() if isinstance(text, str) else text


# One text in JSON, because a line for each of thousands would hide the rest.
_Digests = Annotated[list[str], BeforeValidator(_split), PlainSerializer(" ".join)]
_Temperature = Annotated[float, Field(ge=COLDEST, le=HOTTEST, allow_inf_nan=False)]


class TrainingClips(Section):
    """Which recordings the nets were trained on, as digests of their samples.

    Attributes:
        digests: of the clips that any fold was trained on, sorted: see
            `ser.core.recording.SamplesDigest`.
        left_out: for each fold, those of `digests` that its net was not trained on, sorted.
    """

    digests: _Digests
    left_out: list[_Digests]

    @classmethod
    def of_folds(cls, trained_on: Iterable[Iterable[str]]) -> Self:
        """Return those of a model, from the digests that each fold was trained on."""
        each = [set(digests) for digests in trained_on]
        every = set().union(*each)
        return cls(digests=sorted(every), left_out=[sorted(every - own) for own in each])

    def of_nets(self, nets: Iterable[int]) -> set[str]:
        """Return the digests of the clips that any of these nets, by their places, learned from."""
        unheard = set.intersection(*(set(self.left_out[net]) for net in nets))
        return set(self.digests) - unheard


class Description(Section):
    """Everything needed to use the weights, and their origin.

    Attributes:
        model: the section model of params.yaml.
        emotions: the labels, in the order of the net's outputs.
        dimensions: what the net's further outputs are, see `ser.core.dimensions`; none in models up
            to format 9.
        preprocessing: how the features were made.
        folds: numbers of the folds, one file of weights each.
        statistics: for each fold, those that features are normalised by: of the train clips, or,
            with model.normalisation corpus, of those of the tested corpora; None: each clip's or
            speaker's own.
        temperatures: for each fold, what its net's logits are divided by before the softmax; 1
            until it is evaluated, and if there are too few clips to fit it.
        augment: how copies of the training clips were changed; None without copies, and in models
            up to format 5.
        corpus: summary of the clips that it was trained and evaluated on.
        versions: of Python and the libraries at training.
        training_clips: which recordings it was trained on; None: unknown.
        limits: the recordings that it accepts; all until it is evaluated.
        metrics: the figures of its evaluation; None until then.
        unheard_voices: how well voices are recognised that were not in training; None if that was
            not measured with these settings and clips.
        train_corpora: corpora that were trained on only, with the weight of their clips; unknown
            until it is evaluated.
        onnx: digest by which the ONNX file beside the weights is known to match them, see
            `ser.nets.folder_files.onnx_digest`; None: there is no such file.
    """

    model: Model
    emotions: list[str]
    dimensions: list[str] = Field(default_factory=list)
    preprocessing: Preprocessing
    folds: list[int]
    statistics: list[Annotated[Statistics | None, PlainValidator(_arrays), PlainSerializer(_lists)]]
    temperatures: list[_Temperature]
    augment: Augment | None = None
    corpus: CorpusSummary
    versions: dict[str, str]
    training_clips: TrainingClips | None
    limits: AudioLimits = AudioLimits(min_seconds=0.0, max_clipped=1.0)
    metrics: Figures | None = None
    unheard_voices: UnheardVoices | None = None
    train_corpora: dict[str, ClipWeight] = Field(default_factory=dict)
    onnx: str | None = None

    @model_validator(mode="after")
    def _folds_agree(self) -> Self:
        if len(self.statistics) != len(self.folds) or not self.folds:
            raise ValueError("as many statistics as folds expected")
        if len(self.temperatures) != len(self.folds):
            raise ValueError("as many temperatures as folds expected")
        if self.folds != sorted(set(self.folds)):
            raise ValueError(f"folds are {self.folds[:9]}, expected are numbers, sorted, each once")
        if self.training_clips and len(self.training_clips.left_out) != len(self.folds):
            raise ValueError("training_clips: as many lists of clips left out as folds expected")
        if not self.emotions or self.emotions != sorted(set(self.emotions)):
            raise ValueError(f"emotions are {self.emotions}, expected are names, sorted, each once")
        if self.dimensions != [name for name in DIMENSIONS if name in self.dimensions]:
            raise ValueError(
                f"dimensions are {self.dimensions}, expected are some of {', '.join(DIMENSIONS)}, "
                "in this order, each once"
            )
        # They are printed, and head the columns of tables.
        for name in self.emotions:
            if problem := problem_of_name(name):
                raise ValueError(f"emotions has {name!r}: {problem}")
        for statistics in self.statistics:
            if statistics is not None or self.model.normalisation in ("train", "corpus"):
                check_statistics(statistics, self.preprocessing.dims)
        return self

    def released(
        self,
        temperatures: list[float],
        figures: Figures,
        unheard: UnheardVoices | None,
        limits: AudioLimits,
    ) -> Self:
        """Return a copy with what the evaluation adds, and the limits of what it accepts."""
        return self.model_copy(
            update={
                "temperatures": temperatures,
                "metrics": figures,
                "unheard_voices": unheard,
                "limits": limits,
            }
        )

    def to_json(self) -> str:
        """Return the description as JSON."""
        is_plain = not self.dimensions and self.model.precision == "float32"
        described = {"format": _PLAIN if is_plain else FORMAT, **self.model_dump(mode="json")}
        described["metrics"] = self.metrics and self.metrics.for_model()
        if not self.train_corpora:
            # So that programs which do not know of it can read all other models.
            del described["train_corpora"]
        if not self.dimensions:
            del described["dimensions"]
        return json.dumps(described, indent=2) + "\n"


def parse_description(text: str, source: str | Path) -> Description:
    """Read what `Description.to_json` wrote.

    Args:
        text: JSON.
        source: its origin, for error messages.

    Raises:
        UserError: this code cannot read its format, or needs librosa for it, which is missing.
        ValueError: the text is damaged.
    """
    described = json.loads(text)
    if not isinstance(described, dict):
        raise ValueError("a mapping expected")
    found = described.pop("format", None)
    if found in _OLDER:
        try:
            _upgrade(described, found, source)
        except (LookupError, TypeError, AttributeError) as error:
            raise ValueError(f"damaged: {error!r}") from None
    elif found != FORMAT:
        made_by = described.get("versions")
        known = sorted(made_by.items()) if isinstance(made_by, dict) else []
        named = ", ".join(f"{name} {version}" for name, version in known)
        newer = isinstance(found, int) and found > FORMAT
        raise UserError(
            f"{source} is of format {found}, written with {named or 'unknown versions'}; this is "
            f"ser {metadata.version('ser')}, which reads the formats {_OLDER[0]} to {FORMAT}: "
            + ("use a newer version of the project" if newer else "train it anew")
        )
    return check(Description, described)


def versions() -> dict[str, str]:
    """Return the versions of Python and of the libraries that features and weights depend on."""
    named = {name: metadata.version(name) for name in LIBRARIES}
    return {"python": platform.python_version(), **named}


def _upgrade(described: dict[str, Any], found: int, source: str | Path) -> None:
    """Upgrade the contents of an older format in place.

    Format 9 has neither dimensions nor another precision than float32. Up to format 8, there are
    neither learners nor figures by group. Format 7 has no ONNX file beside the weights. Up to
    format 6, there are no temperatures. Format 6 may lack a change of copies, and top_db, which was
    always 80 dB. Up to format 5, the form of the audio and the limits are among all settings of
    clean, and the training clips are not named. Format 3 has no high-pass filter. Its clipping
    limit counted samples at full scale, and does not fit what is counted now. Formats 3 and 4 do
    not contain the filter banks, and may list the folds' accuracies once more beside their mean.
    `ser.core.figures` handles the intervals of format 3, which are lists.
    """
    if found == _PLAIN:
        return
    described["model"] = _LEARNERS_SETTINGS | described["model"]
    if found in (7, 8):
        return
    described["temperatures"] = [1.0] * len(described["folds"])
    features = described["preprocessing"]["features"]
    described["preprocessing"]["features"] = {"top_db": _TOP_DB} | features
    if found == 6:
        if described["augment"] is not None:
            described["augment"] = {"recording": _NO_RECORDING} | described["augment"]
        return
    described["training_clips"] = None
    preprocessing = described["preprocessing"]
    clean = preprocessing.pop("clean")
    if found == 3:
        clean |= {"highpass": 0.0, "max_clipped": _MAX_CLIPPED}
    preprocessing["form"] = {key: clean[key] for key in AudioForm.model_fields}
    described["limits"] = {key: clean[key] for key in AudioLimits.model_fields}
    if found == 5:
        return
    if described["metrics"] is not None:
        described["metrics"]["fold_accuracy"].pop("each", None)
    described["model"] = _NEWER_SETTINGS | described["model"]
    rate = check(AudioForm, preprocessing["form"]).sample_rate
    try:
        banks = filter_banks(rate, check(Features, preprocessing["features"]))
    except ModuleNotFoundError as error:
        raise UserError(
            f"{source} is of format {found}, which has its filter banks computed by librosa, and "
            f"{error.name} is not installed: pip install -c requirements/constraints.txt librosa; "
            "or train or export it anew"
        ) from None
    preprocessing["filter_banks"] = to_json(banks)
