"""What can be set: one class per section of params.yaml."""

import re
from collections.abc import Callable, Iterable
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainValidator,
    SerializerFunctionWrapHandler,
    StringConstraints,
    model_serializer,
    model_validator,
)
from pydantic_core import PydanticCustomError

from ser.core.dimensions import DIMENSIONS
from ser.core.emotions import EMOTIONS, problem_of_name
from ser.core.kinds import ENCODER, KINDS, TABLE
from ser.core.needs import FIXED_LENGTHS, NEEDS
from ser.core.tables import CLIP_COLUMNS
from ser.core.words import folded
from ser.core.yaml_reader import IN_QUOTES

_MOST_PER_SECOND = 2_000_000  # values of spectrum and features, 8 MB; usual are 50,000 to 200,000
_NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?")


def _number(value: object) -> object:
    """Convert numbers that YAML 1.1 reads as text, such as 1e-05: `dvc exp run -S` writes them."""
    return float(value) if isinstance(value, str) and _NUMBER.fullmatch(value) else value


def _all_or_emotions(value: object) -> object:
    """Check that a value is `all`, or a list of emotions, built in or the user's own."""
    if value == "all":
        return value
    if not isinstance(value, list) or not value or len(set(map(str, value))) < len(value):
        raise ValueError(f"all, or a list of different emotions expected, got {value!r}")
    if problems := [f"{name!r}: {why}" for name in value if (why := problem_of_name(name))]:
        raise ValueError(
            f"one of {', '.join(EMOTIONS)}, or a name of your own, expected, got "
            f"{'; '.join(problems)}"
        )
    return value


def _folded_keys(value: object) -> object:
    """Return a mapping with its keys folded, after checking that no two become one."""
    if not isinstance(value, dict):
        return value
    for key in value:
        if not isinstance(key, str):
            raise ValueError(f"the key {key!r} is not text; {IN_QUOTES}")
    words = {folded(key): kept for key, kept in value.items()}
    if len(words) < len(value):
        raise ValueError(
            "a word occurs twice, apart from its case, blanks or the form of accents: "
            f"{', '.join(value)}"
        )
    return words


def _columns_of_ones_own(value: list[str]) -> list[str]:
    """Return names of columns folded, after checking that clips.csv does not have them already."""
    names = list(map(folded, value))
    if len(set(names)) < len(names) or not all(name and name.isprintable() for name in names):
        raise ValueError(f"names of different columns of labels.csv expected, got {value}")
    if taken := [name for name in names if name in (*CLIP_COLUMNS, *DIMENSIONS)]:
        raise ValueError(
            f"{', '.join(taken)}: clips.csv has a column of that name; such a column of labels.csv "
            "is used without being listed, or needs another name"
        )
    return names


def _different(value: list[str]) -> list[str]:
    if len(set(value)) < len(value):
        raise ValueError(f"different names expected, got {value}")
    return value


def _low_high(value: object) -> object:
    """Return YAML's list [low, high] as a tuple."""
    if not isinstance(value, list | tuple) or len(value) != 2:
        raise ValueError(f"a list [low, high] of two numbers expected, got {value!r}")
    return tuple(value)


def _ordered(value: tuple[float, float]) -> tuple[float, float]:
    if value[0] > value[1]:
        raise ValueError(f"[low, high] with low <= high expected, got {list(value)}")
    return value


def _within(low: float, high: float) -> Callable[[tuple[float, float]], tuple[float, float]]:
    """Make a validator for ranges within two bounds."""

    def bounded(value: tuple[float, float]) -> tuple[float, float]:
        if value[0] < low or value[1] > high:
            raise ValueError(f"a range within {low} to {high} expected, got {list(value)}")
        return value

    return bounded


def _one_of(names: Iterable[str]) -> Callable[[object], object]:
    """Make a validator for the names in a table, with the same error as a Literal."""
    *first, last = map(repr, names)

    def known(value: object) -> object:
        if repr(value) not in (*first, last):
            raise PydanticCustomError("unknown", f"Input should be {', '.join(first)} or {last}")
        return value

    return known


def _pinned(value: str) -> str:
    """Check that an encoder of the Hub is named with its revision: it never changes then."""
    if "@" in value and not re.fullmatch(r"[\w.-]+/[\w.-]+@[0-9a-f]{40}", value):
        raise ValueError(
            "a folder, or <owner>/<name>@<revision of 40 hexadecimal digits> expected, got "
            f"{value!r}"
        )
    return value


def _mean_or_layer(value: object) -> object:
    if value != "mean" and (type(value) is not int or value < 0):
        raise ValueError(f"mean, or the number of a layer from 0 on, expected, got {value!r}")
    return value


def _in_tables(value: str) -> str:
    if value and not re.fullmatch(r"tables/[^/]+\.(csv|npy)", value):
        raise ValueError(
            f"a .csv or .npy in the folder tables/ expected, such as tables/mine.csv, got "
            f"{value!r}: changes of it are noticed only there; pandas converts other formats, such "
            "as Parquet"
        )
    return value


Number = Annotated[float, BeforeValidator(_number), Field(allow_inf_nan=False)]
Positive = Annotated[Number, Field(gt=0)]
NonNegative = Annotated[Number, Field(ge=0)]
Fraction = Annotated[Number, Field(ge=0, le=1)]
ClipWeight = Annotated[Number, Field(ge=0.001, le=10)]  # of a clip's loss
Range = Annotated[tuple[Number, Number], BeforeValidator(_low_high), AfterValidator(_ordered)]
CountRange = Annotated[
    tuple[Annotated[int, Field(ge=0)], Annotated[int, Field(ge=0)]],
    BeforeValidator(_low_high),
    AfterValidator(_ordered),
]
Count = Annotated[int, Field(ge=1)]
Seed = Annotated[int, Field(ge=0, lt=2**32)]

# The name of a module in ser/corpora, or any other name for recordings of one's own.
Corpus = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_-]*$")]
Encoder = Annotated[str, AfterValidator(_pinned)]
Layer = Annotated[Literal["mean"] | Annotated[int, Field(ge=0)], PlainValidator(_mean_or_layer)]
NetName = Annotated[str, BeforeValidator(_one_of(NEEDS))]
Precision = Literal["float32", "bfloat16"]  # of the products of a training step
FeatureKind = Annotated[str, BeforeValidator(_one_of(KINDS))]


class Section(BaseModel):
    """A section of params.yaml: exactly these keys, of exactly these types."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, defer_build=True)


class Pull(Section):
    """Where the recordings come from."""

    corpora: Annotated[list[Corpus], Field(min_length=1)]
    sources: dict[Corpus, str]
    verify: Literal["hash", "size"]
    redirect_hosts: list[str]

    @model_validator(mode="after")
    def _every_corpus_has_a_source(self) -> Self:
        for corpus in self.corpora:
            if corpus not in self.sources:
                raise ValueError(
                    f"sources.{corpus} is missing: {corpus} is in pull.corpora; there are sources "
                    f"of {', '.join(self.sources)}"
                )
        if len(set(self.corpora)) < len(self.corpora):
            raise ValueError(f"corpora names a corpus twice: {self.corpora}")
        return self


class AudioForm(Section):
    """The form that waveforms are converted to."""

    sample_rate: Annotated[int, Field(ge=4000, le=192000)]  # Hz
    highpass: NonNegative  # Hz
    noise_reduction: Literal["none", "stationary"]
    noise_seconds: Annotated[NonNegative, Field(le=60)]


class AudioLimits(Section):
    """Limits beyond which a recording is of no use."""

    min_seconds: Annotated[NonNegative, Field(le=3600)]
    max_clipped: Fraction


class Clean(AudioLimits, AudioForm):
    """Which clips are kept, and in which form."""

    noise_seconds: Annotated[Positive, Field(le=60)]
    song: bool
    emotions: Annotated[Literal["all"] | list[str], PlainValidator(_all_or_emotions)]
    relabel: Annotated[dict[str, str], BeforeValidator(_folded_keys)]
    columns: Annotated[list[str], AfterValidator(_columns_of_ones_own)]

    @property
    def form(self) -> AudioForm:
        """What decides the waveforms; noise_seconds is 0 where it has no effect."""
        values = self.model_dump(include=set(AudioForm.model_fields))
        if self.noise_reduction == "none":
            values["noise_seconds"] = 0.0
        return AudioForm.model_validate(values)

    @property
    def limits(self) -> AudioLimits:
        """What decides whether a recording is usable."""
        return AudioLimits(min_seconds=self.min_seconds, max_clipped=self.max_clipped)

    @property
    def own_emotions(self) -> list[str]:
        """The listed emotions that are not built in."""
        return [] if self.emotions == "all" else [e for e in self.emotions if e not in EMOTIONS]

    @model_validator(mode="after")
    def _relabels_to_what_is_kept(self) -> Self:
        known = (*EMOTIONS, *self.own_emotions)
        if wrong := [f"{to!r} for {word}" for word, to in self.relabel.items() if to not in known]:
            raise ValueError(
                f"relabel: one of {', '.join(EMOTIONS)}, or a name of your own that emotions "
                f"lists, expected, got {', '.join(wrong)}"
            )
        for word, emotion in self.relabel.items():
            if self.emotions != "all" and emotion not in self.emotions:
                raise ValueError(
                    f"relabel takes {word!r} for {emotion}, which is not in emotions "
                    f"{self.emotions}"
                )
        return self


class Features(Section):
    """How a waveform becomes [frames, dims]."""

    kinds: Annotated[list[FeatureKind], Field(min_length=1)]
    n_fft: Annotated[int, Field(ge=16, le=65536, multiple_of=2)]  # samples
    win_length: Annotated[int, Field(ge=2)]  # samples
    hop_length: Count  # samples
    n_mels: Annotated[int, Field(ge=1, le=512)]
    n_mfcc: Count
    fmin: NonNegative  # Hz
    fmax: Positive  # Hz
    top_db: Positive  # dB
    encoder: Encoder = ""
    encoder_layer: Layer = "mean"

    @model_serializer(mode="wrap")
    def _without_an_encoder(self, write: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Leave the encoder out where there is none, so that older programs can read the rest."""
        values: dict[str, Any] = write(self)
        if not self.encoder:
            values.pop("encoder", None)
            values.pop("encoder_layer", None)
        return values

    @property
    def named(self) -> str:
        """The kinds as messages name them."""
        return f"features.kinds [{', '.join(self.kinds)}]"

    @property
    def dims(self) -> dict[str, int]:
        """Kind -> number of columns, in the order of stacking; of a given kind, at least 1."""
        return {kind: KINDS[kind].columns(self.n_mels, self.n_mfcc) for kind in self.kinds}

    def problem_of_size(self, sample_rate: int) -> str:
        """Return why the features of a long recording would fill the memory, or an empty string.

        Args:
            sample_rate: of the audio, in Hz.
        """
        # The spectrum that they are computed from is there at the same time. What a package
        # computes has no frames, or far fewer.
        own = [n for kind, n in self.dims.items() if not KINDS[kind].package]
        columns = 1 + self.n_fft // 2 + sum(own)
        values = columns * sample_rate // self.hop_length
        if values <= _MOST_PER_SECOND:
            return ""
        return (
            f"hop_length {self.hop_length} makes {values:,} values of a second of audio at "
            f"{sample_rate} Hz, at most {_MOST_PER_SECOND:,} are allowed: a longer hop, a shorter "
            "n_fft, or fewer columns (kinds, n_mels, n_mfcc)"
        )

    @model_validator(mode="after")
    def _kinds_agree(self) -> Self:
        problems = []
        if len(set(self.kinds)) < len(self.kinds):
            problems.append(f"kinds names a feature twice: {self.kinds}")
        whole = [kind for kind in self.kinds if KINDS[kind].whole_clip]
        if 0 < len(whole) < len(self.kinds):
            problems.append(
                f"kinds {self.kinds}: {', '.join(whole)} cannot be stacked with the others, "
                "because these describe frames, not whole clips"
            )
        framed = [kind for kind in self.kinds if KINDS[kind].own_frames]
        if framed and len(self.kinds) > 1:
            problems.append(
                f"kinds {self.kinds}: {', '.join(framed)} cannot be stacked with others, because "
                "openSMILE has frames of its own, every 10 ms"
            )
        if self.win_length > self.n_fft:
            problems.append(
                f"win_length {self.win_length} is longer than n_fft {self.n_fft}: "
                "at most n_fft is allowed"
            )
        if (ENCODER in self.kinds) != bool(self.encoder):
            problems.append(
                f"kinds {self.kinds} and encoder {self.encoder!r}: kinds [{ENCODER}] needs "
                "encoder, a folder or <owner>/<name>@<revision>, and other kinds need encoder: ''"
            )
        if self.hop_length > self.win_length:
            problems.append(
                f"hop_length {self.hop_length} is longer than win_length {self.win_length}: "
                "samples between the windows would be lost"
            )
        if self.n_mfcc > self.n_mels:
            problems.append(f"n_mfcc {self.n_mfcc} is more than n_mels {self.n_mels}")
        if self.fmin >= self.fmax:
            problems.append(f"fmin {self.fmin} Hz is not below fmax {self.fmax} Hz")
        if problems:
            raise ValueError("; ".join(problems))
        return self


class FeatureSettings(Features):
    """Which features are computed, and where those come from that are not.

    A trained model has no use for the name of a file, and knows the first part only.
    """

    table: Annotated[str, AfterValidator(_in_tables)]
    encoder: Encoder
    encoder_layer: Layer

    @model_validator(mode="after")
    def _table_is_used(self) -> Self:
        if self.table and TABLE not in self.kinds:
            raise ValueError(
                f"table {self.table!r} is for kinds [{TABLE}], got {self.kinds}: set table: '', or "
                f"add {TABLE} to kinds"
            )
        if TABLE in self.kinds and not self.table:
            raise ValueError(f"kinds [{TABLE}] needs table: a file such as tables/mine.csv")
        return self


class Change(Section):
    """One augmentation: how often it is applied to a copy."""

    probability: Fraction


class NoiseChange(Change):
    """White noise at a signal-to-noise ratio."""

    snr_db: Range


class PitchChange(Change):
    """Pitch moved at unchanged length."""

    semitones: Annotated[Range, AfterValidator(_within(-24, 24))]


class StretchChange(Change):
    """Length divided by the rate at unchanged pitch."""

    rate: Annotated[Range, AfterValidator(_within(0.25, 4))]


class CropChange(Change):
    """A part of the clip, given as a share of its length."""

    share: Annotated[Range, AfterValidator(_within(0.05, 1))]


class ShiftChange(Change):
    """The clip moved in time: one end is cut off, the other is filled with silence."""

    seconds: Range


class GainChange(Change):
    """Level raised or lowered."""

    db: Range


class FeatureNoiseChange(Change):
    """White noise on the features themselves, in standard deviations of each kind's values."""

    deviations: Annotated[Range, AfterValidator(_within(0, 100))]


class FrequencyMaskChange(Change):
    """A band of neighbouring mel bands set to the clip's mean."""

    bands: CountRange


class TimeMaskChange(Change):
    """A run of neighbouring frames set to the clip's mean."""

    frames: CountRange


class RecordingChange(Change):
    """A copy recorded anew: room, noise, microphone, clipping, line and codec, each by itself."""

    rt60: Annotated[Range, AfterValidator(_within(0.01, 10))]  # s
    direct_db: Annotated[Range, AfterValidator(_within(-60, 60))]  # direct above reverberation
    snr_db: Annotated[Range, AfterValidator(_within(-60, 120))]
    tilt_db: Annotated[Range, AfterValidator(_within(-24, 24))]  # of the noise, per octave
    low_hz: Annotated[Range, AfterValidator(_within(0, 2000))]  # edge of the microphone's band
    high_hz: Annotated[Range, AfterValidator(_within(2000, 96000))]  # its other edge
    clipped: Annotated[Range, AfterValidator(_within(0, 0.5))]  # share of the samples
    codec_kbps: Annotated[Range, AfterValidator(_within(8, 256))]


class Augment(Section):
    """Changed copies of every clip, used only in folds that train on the clip itself."""

    copies: Annotated[int, Field(ge=0, le=1000)]
    seed: Seed
    crop: CropChange
    noise: NoiseChange
    pitch: PitchChange
    stretch: StretchChange
    shift: ShiftChange
    gain: GainChange
    recording: RecordingChange
    feature_noise: FeatureNoiseChange
    frequency_mask: FrequencyMaskChange
    time_mask: TimeMaskChange


# Schemes whose test speakers and val speakers are not trained on.
KEEP_SPEAKERS_APART = ("speaker", "speaker_kfold", "leave_one_speaker_out", "cross_corpus")


class Split(Section):
    """Which clips are for training and which for testing."""

    scheme: Literal[
        "random",
        "speaker",
        "kfold",
        "speaker_kfold",
        "leave_one_speaker_out",
        "cross_corpus",
        "emobox",
    ]
    folds: Annotated[int, Field(ge=2)]
    test: Annotated[Number, Field(gt=0, lt=1)]
    val: Annotated[Number, Field(ge=0, lt=1)]
    seed: Seed
    test_corpora: list[Corpus]
    train_corpora: dict[Corpus, ClipWeight]
    emobox: str

    @model_validator(mode="after")
    def _scheme_agrees(self) -> Self:
        if self.scheme in ("random", "speaker") and self.test + self.val >= 1:
            raise ValueError(
                f"test {self.test} + val {self.val} leave nothing to train on: "
                "their sum must be below 1"
            )
        if self.scheme == "emobox" and not self.emobox:
            raise ValueError("scheme emobox needs emobox: the folder of EmoBox's fold files")
        if self.scheme == "cross_corpus" and not self.test_corpora:
            raise ValueError("scheme cross_corpus needs test_corpora: the corpora to test on")
        if len(set(self.test_corpora)) < len(self.test_corpora):
            raise ValueError(f"test_corpora names a corpus twice: {self.test_corpora}")
        if self.scheme != "cross_corpus" and self.test_corpora:
            raise ValueError(
                f"test_corpora {self.test_corpora} are for scheme cross_corpus alone, got "
                f"{self.scheme!r}: set scheme: cross_corpus, or test_corpora: []"
            )
        if both := [corpus for corpus in self.test_corpora if corpus in self.train_corpora]:
            raise ValueError(
                f"{', '.join(both)} is in test_corpora and in train_corpora: a corpus that is "
                "trained on only cannot be tested; take it out of one of them"
            )
        return self


class Model(Section):
    """The net and how it is trained.

    A trained model that learned no dimension has none of their weight, and one that was trained in
    float32 does not say so.
    """

    name: NetName
    layers: Literal[3, 4]
    width: Annotated[int, Field(ge=1, le=1024)]
    batch_norm: bool
    pooling: Literal["mean", "flatten"]
    dropout: Annotated[Number, Field(ge=0, lt=1)]
    normalisation: Literal["clip", "speaker", "corpus", "train"]
    length: Literal["own", "resize", "pad", "crop"]
    frames: Annotated[int, Field(ge=16, le=65536)]
    balance: Literal["none", "upsample", "class_weights", "smote", "adasyn"]
    copies: Literal["one", "all"]
    batch_size: Count
    precision: Precision = "float32"
    epochs: Annotated[int, Field(ge=1, le=1_000_000)]
    optimizer: Literal["adam", "adamw", "sgd"]
    learning_rate: Positive
    learning_rate_batch: Annotated[int, Field(ge=0)]  # clips
    weight_decay: NonNegative
    c: Positive
    schedule: Literal["constant", "step", "cosine", "one_cycle"]
    decay_epoch: Count
    label_smoothing: Annotated[Number, Field(ge=0, lt=1)]
    dimension_weight: NonNegative = 0.0
    mixup: NonNegative
    crop: CropChange
    frequency_shift: NonNegative  # mel bands
    frequency_mask: Annotated[int, Field(ge=0)]
    time_mask: Annotated[int, Field(ge=0)]
    patience: Annotated[int, Field(ge=0)]
    stop_after: Annotated[int, Field(ge=0)]
    snapshots: bool
    seed: Seed

    @model_serializer(mode="wrap")
    def _without_what_is_usual(self, write: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Leave out what older programs do not know, where it changes nothing."""
        values: dict[str, Any] = write(self)
        for name in ("dimension_weight", "precision"):
            if getattr(self, name) == Model.model_fields[name].default:
                values.pop(name, None)
        return values

    @model_validator(mode="after")
    def _balance_agrees(self) -> Self:
        if self.balance in ("smote", "adasyn") and self.length not in FIXED_LENGTHS:
            raise ValueError(
                f"balance {self.balance} interpolates between clips, so all need one length: "
                f"length {' or '.join(FIXED_LENGTHS)} with frames, got {self.length!r}"
            )
        return self


class ModelSettings(Model):
    """The section of params.yaml, which names every setting."""

    dimension_weight: NonNegative
    precision: Precision

    @model_serializer(mode="wrap")
    def _without_what_is_usual(self, write: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Leave out nothing."""
        values: dict[str, Any] = write(self)
        return values


class Evaluate(Section):
    """Intervals, calibration, baseline, the list of mistakes and groups of clips."""

    bootstrap: Annotated[int, Field(ge=100, le=1_000_000)]
    calibration_bins: Annotated[int, Field(ge=2, le=1000)]
    mistakes: Annotated[int, Field(ge=0)]
    baseline: Literal["none", "logistic_regression", "svm"]
    groups: Annotated[list[str], AfterValidator(_different)]  # columns of clips.csv
    seed: Seed
