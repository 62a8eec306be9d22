"""The figures of an evaluation: metrics/headline.json, metrics/evaluate.json, model.json's metrics.

A share is in 0..1. Intervals are 95 % bootstrap intervals over the test clips
(`ser.evaluation.scores`). UAR, the unweighted average recall, is the mean of the recalls of the
emotions that occur among the clips: a fold's UAR is over the emotions of its test clips.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import ConfigDict, Field, model_validator

from ser.core.errors import UserError
from ser.core.sections import KEEP_SPEAKERS_APART, Count, Section
from ser.core.tables import parse_report, rounded
from ser.core.validation import check

Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
Support = Annotated[int, Field(ge=0)]  # clips, perhaps none
Interval = tuple[float, float]

Difference = Annotated[float, Field(ge=-1, le=1, allow_inf_nan=False)]

UNKNOWN = "unknown"  # the group of the clips without a value
FEWEST_FOR_A_GAP = 10  # clips of a group that is compared with others

ABOUT_GAPS = (
    "A gap is between the best and the worst of several groups, so chance alone makes one, and a "
    "larger one the more groups there are; its interval does not allow for that. Groups also "
    "differ in their speakers and emotions: a gap does not tell its cause."
)

_UNHEARD, _KNOWN = "A voice it has never heard", "A voice it knows from training"
_NOT_MEASURED = (
    "Not measured with these settings; expect less than for a voice it knows. `make protocols "
    "NAMES=loso` and `dvc repro` measure it"
)
_HEADLINE = ("accuracy", "accuracy_low", "accuracy_high", "uar", "ece")


class ClassFigures(Section):
    """How well one emotion is recognised.

    Attributes:
        precision: share of the clips predicted as this emotion that have it; 0 if none are.
        recall: share of the clips with this emotion that are predicted as it; 0 if none have it.
        f1: harmonic mean of both; 0 if both are 0.
        support: number of test clips with this emotion.
    """

    precision: Share
    recall: Share
    f1: Share
    support: Support


class SpeakerFigures(Section):
    """How well one speaker's clips are recognised.

    Attributes:
        accuracy: share of the clips recognised.
        n: number of test clips.
    """

    accuracy: Share
    n: Count


class AccuracyAndUar(Section):
    """Accuracy and UAR of a set of clips.

    Attributes:
        accuracy: share of the clips recognised.
        uar: over the emotions of these clips, a share.
    """

    accuracy: Share
    uar: Share


class GroupFigures(AccuracyAndUar):
    """How well a group of clips, such as a corpus, is recognised.

    Attributes:
        n: number of test clips.
    """

    n: Count


class GroupWithIntervals(GroupFigures):
    """How well a group of clips, such as a gender, is recognised; no intervals for one clip.

    Attributes:
        accuracy_low: lower end of its interval, a share.
        accuracy_high: upper end of its interval, a share.
        uar_low: lower end of its interval, a share.
        uar_high: upper end of its interval, a share.
    """

    accuracy_low: Share | None = None
    accuracy_high: Share | None = None
    uar_low: Share | None = None
    uar_high: Share | None = None

    @property
    def accuracy_interval(self) -> Interval | None:
        """Lower and upper end, shares; None for one clip."""
        return _ends(self.accuracy_low, self.accuracy_high)

    @property
    def uar_interval(self) -> Interval | None:
        """Lower and upper end, shares; None for one clip."""
        return _ends(self.uar_low, self.uar_high)


def _ends(low: float | None, high: float | None) -> Interval | None:
    return None if low is None or high is None else (low, high)


class Gap(Section):
    """The largest difference of a figure between two groups of enough clips.

    Attributes:
        best: the group with the highest figure.
        worst: the group with the lowest.
        difference: of their figures, 0..1.
        low: lower end of its interval, -1..1; the choice of the groups is not allowed for.
        high: upper end.
    """

    best: str
    worst: str
    difference: Share
    low: Difference
    high: Difference

    def __str__(self) -> str:
        """Return it in words.

        >>> print(Gap(best="male", worst="female", difference=0.1, low=-0.02, high=0.21))
        10.0 points (95% interval -2.0 to +21.0) from "female" to "male"
        """
        return (
            f"{100 * self.difference:.1f} points (95% interval {100 * self.low:+.1f} to "
            f'{100 * self.high:+.1f}) from "{self.worst}" to "{self.best}"'
        )


class Grouping(Section):
    """The figures of the groups that a column of clips.csv divides the test clips into.

    Attributes:
        groups: name -> its figures; clips without a value are `unknown`.
        accuracy_gap: the largest of the accuracy; None with fewer than two groups of enough clips.
        uar_gap: the largest of the UAR, likewise.
    """

    groups: dict[str, GroupWithIntervals]
    accuracy_gap: Gap | None = None
    uar_gap: Gap | None = None

    def __str__(self) -> str:
        """Return how far its groups lie apart, in words without a full stop."""
        if set(self.groups) <= {UNKNOWN}:
            return "not known of any test clip"
        if len(self.groups) == 1:
            return "one group, so there is nothing to compare"
        if self.accuracy_gap is None or self.uar_gap is None:
            return f"fewer than two groups have {FEWEST_FOR_A_GAP} test clips, so no gap is stated"
        return f"largest gap of the accuracy {self.accuracy_gap}; of the UAR {self.uar_gap}"


GROUP_HEAD = ("group", "accuracy (95% interval)", "UAR (95% interval)", "test clips")


def group_rows(by_group: Mapping[str, Grouping]) -> list[tuple[str, str, str, str]]:
    """Return the cells below GROUP_HEAD for every group of every column."""
    return [
        (
            f"{column}: {name}",
            share_and_interval(own.accuracy, own.accuracy_interval),
            share_and_interval(own.uar, own.uar_interval),
            str(own.n),
        )
        for column, grouping in by_group.items()
        for name, own in grouping.groups.items()
    ]


class FoldFigures(GroupFigures):
    """How well one fold's test clips are recognised by its net.

    Attributes:
        majority_accuracy: accuracy of always predicting the most frequent emotion of the fold's
            train clips.
        baseline: figures of the baseline classifier; None without one.
    """

    majority_accuracy: Share
    baseline: AccuracyAndUar | None = None


class FoldSpread(Section):
    """How much the folds differ.

    Attributes:
        mean: mean of the folds' accuracies, a share.
        std: their standard deviation, divided by the number of folds, not one less; 0..0.5.
    """

    mean: Share
    std: Share


class DimensionFigures(Section):
    """How well a dimension, such as arousal, is predicted.

    Attributes:
        ccc: concordance correlation coefficient of rating and prediction, -1..1. It is 0 for a
            recogniser that always says the same.
        ccc_low: lower end of its interval.
        ccc_high: upper end of its interval.
        mae: mean absolute error, 0..1.
        mae_low: lower end of its interval.
        mae_high: upper end of its interval.
        mean_mae: mean absolute error of always saying the mean of the fold's train clips.
        n: number of rated test clips.
    """

    ccc: Difference
    ccc_low: Difference
    ccc_high: Difference
    mae: Share
    mae_low: Share
    mae_high: Share
    mean_mae: Share
    n: Count

    def __str__(self) -> str:
        """Return it in words.

        >>> figures = {"ccc": 0.8, "ccc_low": 0.7, "ccc_high": 0.875, "mae": 0.1, "mae_low": 0.05}
        >>> print(DimensionFigures(**figures, mae_high=0.125, mean_mae=0.25, n=40))
        CCC 0.80 (0.70 to 0.88), MAE 0.10 (0.05 to 0.12)
        """
        return f"CCC {self.cells[0]}, MAE {self.cells[1]}"

    @property
    def cells(self) -> tuple[str, str, str, str]:
        """The cells below DIMENSION_HEAD but for the name."""
        return (
            f"{self.ccc:.2f} ({self.ccc_low:.2f} to {self.ccc_high:.2f})",
            f"{self.mae:.2f} ({self.mae_low:.2f} to {self.mae_high:.2f})",
            f"{self.mean_mae:.2f}",
            str(self.n),
        )


DIMENSION_HEAD = (
    "dimension",
    "CCC (95% interval)",
    "MAE (95% interval)",
    "MAE of the train mean",
    "rated test clips",
)
ABOUT_DIMENSIONS = (
    "CCC is the concordance correlation coefficient of ratings and predictions: 1 if they are "
    "equal, 0 for always saying the same. MAE is the mean absolute error of values in 0..1."
)


def dimension_rows(by_dimension: Mapping[str, DimensionFigures]) -> list[tuple[str, ...]]:
    """Return the cells below DIMENSION_HEAD for every dimension."""
    return [(name, *own.cells) for name, own in by_dimension.items()]


class Baseline(Section):
    """How well a simple classifier does on the same features and clips.

    Attributes:
        kind: its name in `evaluate.baseline` of params.yaml.
        accuracy: share of the test clips recognised.
        uar: a share.
    """

    kind: str
    accuracy: Share
    uar: Share


class BestEpoch(Section):
    """The first epoch of a fold with the highest accuracy on its test clips.

    Attributes:
        accuracy: share of the fold's test clips recognised after this epoch.
        epoch: its number, from 1 on.
    """

    accuracy: Share
    epoch: Count


class ConfidentFigures(Section):
    """How many test clips are answered with at least some confidence, and how well.

    Attributes:
        coverage: share of the clips that are answered.
        n: their number.
        accuracy: share of them recognised; None without any.
    """

    coverage: Share
    n: Support
    accuracy: Share | None = None


class Oracle(Section):
    """The accuracy that would be reported if the epoch were chosen on the test clips.

    Attributes:
        accuracy: share of all test clips recognised after the best epoch of their fold.
        per_fold: number of the fold -> its best epoch.
    """

    accuracy: Share
    per_fold: dict[str, BestEpoch]


class UnheardVoices(Section):
    """How well voices are recognised that a training has never heard: leave one speaker out.

    Attributes:
        accuracy: share of the clips recognised, mean over the trainings.
        accuracy_low: lower end of its interval over the clips, a share.
        accuracy_high: upper end of its interval over the clips, a share.
        clips: number of test clips.
        trainings: number of seeds that it is the mean of.
    """

    accuracy: Share
    accuracy_low: Share
    accuracy_high: Share
    clips: Count
    trainings: Count


class OverallFigures(Section):
    """The figures over all test clips that every version of the project writes.

    Attributes:
        accuracy: share of the clips recognised.
        accuracy_low: lower end of its interval, a share.
        accuracy_high: upper end of its interval, a share.
        uar: over the emotions of all test clips, a share.
        uar_low: lower end of its interval, a share.
        uar_high: upper end of its interval, a share.
        precision_macro: mean of the emotions' precisions, a share.
        recall_macro: mean of the emotions' recalls, a share.
        f1_macro: mean of the emotions' F1, a share.
    """

    # Other versions write further keys, which are ignored.
    model_config = ConfigDict(extra="ignore")

    accuracy: Share
    accuracy_low: Share
    accuracy_high: Share
    uar: Share
    uar_low: Share
    uar_high: Share
    precision_macro: Share
    recall_macro: Share
    f1_macro: Share

    @property
    def accuracy_interval(self) -> Interval:
        """Lower and upper end, shares."""
        return self.accuracy_low, self.accuracy_high

    @property
    def uar_interval(self) -> Interval:
        """Lower and upper end, shares."""
        return self.uar_low, self.uar_high

    @property
    def headline(self) -> str:
        """The accuracy and its interval, as text."""
        return _with_interval(self.accuracy, self.accuracy_interval)

    @classmethod
    def from_values(cls, values: object) -> Self:
        """Check the values of a JSON file.

        Raises:
            ValueError: one line that names the first key that is missing, unknown or wrong.
        """
        return check(cls, values)

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Read metrics/evaluate.json.

        Raises:
            ValueError: the text is not JSON, or as in `from_values`.
        """
        return cls.from_values(parse_report(text))

    @model_validator(mode="before")
    @classmethod
    def _name_interval_ends(cls, values: Any) -> Any:  # noqa: ANN401 - not checked yet
        """Replace <figure>_ci95, the list of both ends that older versions wrote, by two keys."""
        if not isinstance(values, Mapping):
            return values
        named = {}
        for key, value in values.items():
            if key.endswith("_ci95") and isinstance(value, list) and len(value) == 2:
                figure = key.removesuffix("_ci95")
                named[f"{figure}_low"], named[f"{figure}_high"] = value
            else:
                named[key] = value
        return named


class Figures(OverallFigures):
    """All figures of an evaluation.

    Attributes:
        per_class: emotion -> its figures, in the order of the net's outputs.
        ece: expected calibration error, the mean gap between confidence and accuracy, a share.
        ece_unscaled: the same at temperature 1; None in models up to format 6.
        by_confidence: least confidence that is answered, such as 0.5 -> figures of these answers;
            None in models up to format 6.
        n_test: number of test clips of all folds.
        n_folds: number of folds.
        split_scheme: `split.scheme` of params.yaml.
        fold_accuracy: mean and standard deviation over the folds.
        per_fold: number of the fold -> its figures; None in models of format 3.
        per_corpus: corpus -> its figures.
        per_speaker: <corpus>/<speaker> -> its figures.
        by_group: column of clips.csv, see `evaluate.groups` -> the figures of its groups; None in
            models up to format 8.
        pretrained_encoder: the encoder that the features are of, which learned from other data, and
            perhaps from the test clips; None without one.
        dimensions: arousal and valence -> their figures, of those in which two test clips or more
            are rated; None if the net learned no such dimension.
        majority_accuracy: accuracy of always predicting the most frequent emotion of the train
            clips.
        baseline: figures of the baseline classifier; None without one.
        oracle: figures if the epoch were chosen on the test clips; None if the weights of the
            epochs were not kept.
        uses_test_speakers_audio: whether the test speakers' other recordings, without their
            emotions, were used to normalise.
        confusion: numbers of clips by true emotion (rows) and predicted emotion (columns), in the
            order of per_class; None if read from metrics/evaluate.json.
    """

    model_config = ConfigDict(extra="forbid")

    per_class: dict[str, ClassFigures]
    ece: Share
    ece_unscaled: Share | None = None
    by_confidence: dict[str, ConfidentFigures] | None = None
    n_test: Count
    n_folds: Count
    split_scheme: str
    fold_accuracy: FoldSpread
    per_fold: dict[str, FoldFigures] | None = None
    per_corpus: dict[str, GroupFigures]
    per_speaker: dict[str, SpeakerFigures]
    by_group: dict[str, Grouping] | None = None
    pretrained_encoder: str | None = None
    dimensions: dict[str, DimensionFigures] | None = None
    majority_accuracy: Share
    baseline: Baseline | None = None
    oracle: Oracle | None = None
    uses_test_speakers_audio: bool
    confusion: list[list[Support]] | None = None

    @model_validator(mode="after")
    def _counts_of_each_emotion(self) -> Self:
        sizes = [len(self.per_class)] * len(self.per_class)
        if self.confusion is not None and [len(row) for row in self.confusion] != sizes:
            raise ValueError(f"confusion is not {len(sizes)} rows of {len(sizes)}, as per_class is")
        return self

    def by_voice(self, unheard: UnheardVoices | None) -> list[tuple[str, str]]:
        """Return how well a new voice is recognised, and how well one of the training speakers.

        Args:
            unheard: what was measured of such models beside this evaluation.

        Returns:
            (voice, what to expect) of an unheard voice, then of a known one.
        """
        own = f"{self.headline}, {self.n_test} test clips, split {self.split_scheme}"
        if self.split_scheme in KEEP_SPEAKERS_APART:
            return [(_UNHEARD, own), (_KNOWN, "Not measured with this split")]
        if unheard is None:
            return [(_UNHEARD, _NOT_MEASURED), (_KNOWN, own)]
        interval = (unheard.accuracy_low, unheard.accuracy_high)
        trainings = unheard.trainings
        times = "one training" if trainings == 1 else f"mean of {trainings} trainings"
        left_out = (
            f"{_with_interval(unheard.accuracy, interval)}, leave one speaker out, "
            f"{unheard.clips} clips, {times} with these settings"
        )
        return [(_UNHEARD, left_out), (_KNOWN, own)]

    def rounded(self) -> Self:
        """Return the figures rounded to 6 decimals, as in the files."""
        return self.model_validate(rounded(self.model_dump()))

    def for_model(self) -> dict[str, Any]:
        """Return the values for "metrics" in model.json."""
        return self.model_dump(exclude_none=True)

    def for_report(self) -> dict[str, Any]:
        """Return the values for metrics/evaluate.json."""
        return self.model_dump(exclude_none=True, exclude={"confusion"})

    def for_dvc(self) -> dict[str, float]:
        """Return the values for metrics/headline.json: what DVC compares."""
        baseline = {} if self.baseline is None else {"baseline_accuracy": self.baseline.accuracy}
        return {
            **self.model_dump(include=set(_HEADLINE)),
            **baseline,
            **self.of_dimensions(),
            "test_clips": self.n_test,
        }

    def of_dimensions(self) -> dict[str, float]:
        """Return CCC and mean absolute error of each dimension, as `arousal_ccc`."""
        return {
            f"{name}_{figure}": getattr(own, figure)
            for name, own in (self.dimensions or {}).items()
            for figure in ("ccc", "mae")
        }


def share_and_interval(share: float, interval: Interval | None) -> str:
    """Return a share and its interval, as text.

    >>> share_and_interval(0.75, (0.5, 0.875)), share_and_interval(1.0, None)
    ('75.0% (50.0% to 87.5%)', '100.0% (one clip: no interval)')
    """
    if interval is None:
        return f"{share:.1%} (one clip: no interval)"
    return f"{share:.1%} ({interval[0]:.1%} to {interval[1]:.1%})"


def _with_interval(accuracy: float, interval: Interval) -> str:
    low, high = interval
    return f"Accuracy {accuracy:.1%} (95% interval {low:.1%} to {high:.1%})"


def read_figures(path: Path) -> Figures:
    """Read metrics/evaluate.json.

    Raises:
        UserError: the file is missing or damaged; the text names it and the key.
    """
    try:
        return Figures.from_json(path.read_text("utf-8"))
    except OSError as error:
        raise UserError(f"{path}: {error.strerror}: `dvc repro` makes it") from None
    except ValueError as error:
        raise UserError(f"{path} is damaged ({error}): `dvc repro` makes it anew") from None
