"""Compute the scores of a recogniser and their confidence intervals.

Accuracy is the share of clips recognised. UAR (unweighted average recall, balanced accuracy) is the
mean recall over the emotions that occur in the test clips. An emotion that was never predicted has
precision 0. Intervals are percentile intervals of a bootstrap over clips: they estimate how much a
figure would vary with other test clips of the same speakers, not with other speakers or another
training.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ser.core.figures import BestEpoch, ConfidentFigures, GroupFigures, Oracle

Indices = NDArray[np.int64]
Floats = NDArray[np.float64]


def indices(names: Iterable[str], emotions: Sequence[str]) -> Indices:
    """Return the index of each name in `emotions`, int64 [names].

    Raises:
        ValueError: a name is not in `emotions`.
    """
    return np.array([emotions.index(name) for name in names], dtype=np.int64)


def actual_and_predicted(table: pd.DataFrame, emotions: Sequence[str]) -> tuple[Indices, Indices]:
    """Return the columns emotion and predicted as indices in `emotions`, int64 [clips] each."""
    return indices(table["emotion"], emotions), indices(table["predicted"], emotions)


def accuracy(actual: Indices, predicted: Indices) -> float:
    """Compute the share of clips recognised, 0..1.

    >>> accuracy(np.array([0, 0, 0, 1]), np.array([0, 0, 0, 0]))
    0.75
    """
    return float(np.mean(actual == predicted))


def uar(actual: Indices, predicted: Indices) -> float:
    """Compute the mean recall over the emotions that occur in `actual`, 0..1.

    >>> uar(np.array([0, 0, 0, 1]), np.array([0, 0, 0, 0]))
    0.5
    """
    return float(np.mean([np.mean(predicted[actual == e] == e) for e in np.unique(actual)]))


def accuracy_and_uar(table: pd.DataFrame, emotions: Sequence[str]) -> dict[str, float]:
    """Compute accuracy and UAR of a table with the columns emotion and predicted."""
    actual, predicted = actual_and_predicted(table, emotions)
    return {"accuracy": accuracy(actual, predicted), "uar": uar(actual, predicted)}


def oracle(tested: pd.DataFrame, clips: Mapping[int, int]) -> Oracle:
    """Compute the accuracy that choosing each fold's epoch on its test clips would have reported.

    Args:
        tested: columns fold, epoch, test_accuracy; at least one row of each fold.
        clips: fold -> number of its test clips.
    """
    best = tested.loc[tested.groupby("fold")["test_accuracy"].idxmax()]
    hits = sum(row.test_accuracy * clips[row.fold] for row in best.itertuples())
    return Oracle(
        accuracy=hits / sum(clips.values()),
        per_fold={
            str(row.fold): BestEpoch(accuracy=row.test_accuracy, epoch=row.epoch)
            for row in best.itertuples()
        },
    )


def bootstrap_ci95(
    actual: Indices, predicted: Indices, resamples: int, seed: int
) -> tuple[tuple[float, float], tuple[float, float]]:
    """Compute 95 % intervals of accuracy and UAR by resampling the clips with replacement.

    Efron, Tibshirani: An introduction to the bootstrap, 1993, chapter 13.

    >>> accuracy, uar = bootstrap_ci95(np.repeat([0, 1], 50), np.zeros(100, int), 1000, seed=0)
    >>> low, high = accuracy  # Student's interval of this share is 0.4 to 0.6
    >>> bool(0.38 < low < 0.42 and 0.58 < high < 0.62)
    True

    Args:
        actual: int64 [clips], index of each clip's emotion.
        predicted: int64 [clips], index of the predicted emotion.
        resamples: how many times to resample.
        seed: of the resampling.

    Returns:
        ((low, high) of the accuracy, (low, high) of the UAR).
    """
    hits = (actual == predicted).astype(np.float64)
    accuracies, uars = resampled_figures(actual, hits, resamples, seed)
    return percentile_interval(accuracies), percentile_interval(uars)


def resampled_figures(
    actual: Indices, hits: Floats, resamples: int, seed: int | Sequence[int]
) -> tuple[Floats, Floats]:
    """Compute accuracy and UAR of clips drawn with replacement, again and again.

    Args:
        actual: int64 [clips], index of each clip's emotion.
        hits: float64 [clips], whether each clip was recognised; or the difference of two of these,
            and the figures are differences too.
        resamples: how many times to resample.
        seed: of the resampling; several numbers are one seed.

    Returns:
        (accuracies, UARs), float64 [resamples] each.
    """
    is_emotion = (actual[:, np.newaxis] == np.unique(actual)).astype(np.float64)
    accuracies, uars = [], []
    for drawn in resample(len(actual), resamples, seed):
        support = is_emotion[drawn].sum(axis=0)
        recognised = hits[drawn] @ is_emotion[drawn]
        accuracies.append(hits[drawn].mean())
        uars.append(np.mean(recognised[support > 0] / support[support > 0]))
    return np.array(accuracies), np.array(uars)


def mean_ci95(values: Floats, resamples: int, seed: int) -> tuple[float, float]:
    """Compute the 95 % interval of a mean over clips as `bootstrap_ci95` does.

    Args:
        values: float64 [clips], such as the share of trainings that recognise each clip.
        resamples: how many times to resample.
        seed: of the resampling.
    """
    return percentile_interval(
        np.array([values[drawn].mean() for drawn in resample(len(values), resamples, seed)])
    )


def mean_and_std(values: Sequence[float]) -> dict[str, float]:
    """Compute the mean and the sample standard deviation of a figure over several trainings.

    >>> mean_and_std([0.5, 0.75, 1.0])
    {'mean': 0.75, 'std': 0.25}
    """
    return {"mean": float(np.mean(values)), "std": float(np.std(values, ddof=1))}


def resample(clips: int, resamples: int, seed: int | Sequence[int]) -> Iterator[Indices]:
    """Yield indices of clips drawn with replacement, int64 [clips] each time."""
    rng = np.random.default_rng(seed)
    for _ in range(resamples):
        yield rng.integers(clips, size=clips)


def percentile_interval(values: Floats) -> tuple[float, float]:
    """Return the ends of the middle 95 % of resampled figures."""
    low, high = np.percentile(values, [2.5, 97.5])
    return float(low), float(high)


def classification_report(
    actual: Indices, predicted: Indices, emotions: Sequence[str]
) -> pd.DataFrame:
    """Compute precision, recall, F1 and support per emotion.

    Returns:
        One row per emotion, columns emotion, precision, recall, f1, support.
    """
    counts = _confusions(actual, predicted, len(emotions))
    hits, support, guesses = counts.diagonal(), counts.sum(axis=1), counts.sum(axis=0)
    # Where the denominator is 0 the figure is 0.
    precision, recall = hits / np.maximum(guesses, 1), hits / np.maximum(support, 1)
    f1 = 2 * hits / np.maximum(guesses + support, 1)
    return pd.DataFrame(
        {
            "emotion": list(emotions),
            "precision": precision,
            "recall": recall,
            "f1": f1,
            "support": support,
        }
    )


def count_confusions(table: pd.DataFrame, emotions: Sequence[str]) -> Indices:
    """Count the clips of each emotion (rows) by predicted emotion (columns).

    Args:
        table: columns emotion and predicted.
        emotions: of the rows and columns, in order.

    Returns:
        int64 [emotions, emotions].

    >>> table = pd.DataFrame({"emotion": ["sad", "sad", "happy"], "predicted": ["sad"] * 3})
    >>> count_confusions(table, ["happy", "sad"])
    array([[0, 1],
           [0, 2]])
    """
    return _confusions(*actual_and_predicted(table, emotions), len(emotions))


def _confusions(actual: Indices, predicted: Indices, emotions: int) -> Indices:
    return np.bincount(actual * emotions + predicted, minlength=emotions**2).reshape(emotions, -1)


def reliability(probabilities: Floats, actual: Indices, bins: int) -> pd.DataFrame:
    """Compare confidence with accuracy in bins of equal width.

    Args:
        probabilities: float64 [clips, emotions]; a clip's confidence is the highest of them.
        actual: int64 [clips].
        bins: number of bins.

    Returns:
        One row per bin, columns low and high (edges of the bin), confidence and accuracy (means;
        NaN in an empty bin), count.
    """
    confidence = probabilities.max(axis=1)
    hits = probabilities.argmax(axis=1) == actual
    edges = np.linspace(0, 1, bins + 1)
    place = np.clip(np.digitize(confidence, edges[1:-1], right=True), 0, bins - 1)
    counts = np.bincount(place, minlength=bins)
    with np.errstate(invalid="ignore"):
        return pd.DataFrame(
            {
                "low": edges[:-1],
                "high": edges[1:],
                "confidence": np.bincount(place, confidence, bins) / counts,
                "accuracy": np.bincount(place, hits, bins) / counts,
                "count": counts,
            }
        )


def expected_calibration_error(table: pd.DataFrame) -> float:
    """Compute the mean gap between confidence and accuracy, 0..1 (Guo et al., ICML 2017).

    Args:
        table: as `reliability` returns it.
    """
    gaps = (table["confidence"] - table["accuracy"]).abs().fillna(0)
    return float((gaps * table["count"]).sum() / table["count"].sum())


def coverage_curve(probabilities: Floats, actual: Indices) -> pd.DataFrame:
    """Compute the accuracy of the most confident answers, for each number of answers.

    El-Yaniv, Wiener: On the foundations of noise-free selective classification, JMLR 11, 2010.

    Args:
        probabilities: float64 [clips, emotions]; a clip's confidence is the highest of them.
        actual: int64 [clips].

    Returns:
        One row per confidence that occurs, from the highest on, columns confidence, clips (number
        of clips with at least this confidence), coverage (their share) and accuracy (share of them
        recognised).
    """
    answers = pd.DataFrame(
        {
            "confidence": probabilities.max(axis=1),
            "hits": probabilities.argmax(axis=1) == actual,
        }
    )
    # Equally confident answers are given together.
    alike = answers.groupby("confidence")["hits"].agg(["size", "sum"])[::-1].cumsum()
    return pd.DataFrame(
        {
            "confidence": alike.index,
            "clips": alike["size"].to_numpy(),
            "coverage": alike["size"].to_numpy() / len(answers),
            "accuracy": (alike["sum"] / alike["size"]).to_numpy(),
        }
    )


def answers_from(curve: pd.DataFrame, confidence: float) -> ConfidentFigures:
    """Return the figures of the answers with at least some confidence.

    Args:
        curve: as `coverage_curve` returns it.
        confidence: the least, 0..1.
    """
    given = curve[curve["confidence"] >= confidence]
    if given.empty:
        return ConfidentFigures(coverage=0.0, n=0)
    last = given.iloc[-1]
    return ConfidentFigures(
        coverage=float(last["coverage"]), n=int(last["clips"]), accuracy=float(last["accuracy"])
    )


def accuracy_by(groups: pd.Series, hits: pd.Series) -> dict[str, dict[str, float]]:
    """Compute accuracy and number of clips of each group, such as each speaker.

    Args:
        groups: name of each clip's group.
        hits: whether each clip was recognised, or the share of times that it was.

    Returns:
        name of the group, in alphabetical order -> accuracy (0..1) and n.
    """
    return {
        str(name): {"accuracy": float(part.mean()), "n": len(part)}
        for name, part in hits.groupby(groups)
    }


def figures_by_group(
    groups: pd.Series, predictions: pd.DataFrame, emotions: Sequence[str]
) -> dict[str, GroupFigures]:
    """Compute the figures of each group of clips, such as each corpus.

    Args:
        groups: name or number of each clip's group.
        predictions: columns emotion and predicted.
        emotions: all emotions that occur.

    Returns:
        name of the group -> its figures, sorted by name or number.
    """
    return {
        str(name): GroupFigures(**accuracy_and_uar(part, emotions), n=len(part))
        for name, part in predictions.groupby(groups)
    }


def confident_mistakes(predictions: pd.DataFrame, emotions: Sequence[str], n: int) -> pd.DataFrame:
    """Return the wrongly recognised clips in which the model was most confident.

    Args:
        predictions: columns clip, speaker, emotion, predicted and a probability per emotion.
        emotions: names of the probability columns.
        n: largest number of clips returned.

    Returns:
        Columns clip, speaker, emotion, predicted, confidence, probability_of_emotion.
    """
    wrong = predictions[predictions["emotion"] != predictions["predicted"]]
    table = wrong[["clip", "speaker", "emotion", "predicted"]].assign(
        confidence=wrong[list(emotions)].max(axis=1),
        probability_of_emotion=[row[row["emotion"]] for _, row in wrong.iterrows()],
    )
    return table.sort_values(["confidence", "clip"], ascending=[False, True]).head(n)
