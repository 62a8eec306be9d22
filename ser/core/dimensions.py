"""The dimensions of emotion in which a clip may be rated, beside the emotion it is labelled with.

Russell: A circumplex model of affect, Journal of Personality and Social Psychology 39(6), 1980.
"""

from collections.abc import Iterable

# Dimension -> what its ends mean. Ratings are in 0..1.
MEANINGS = {
    "arousal": "0 is calm, 1 is excited",
    "valence": "0 is unpleasant, 1 is pleasant",
}
DIMENSIONS = tuple(MEANINGS)  # columns of labels.csv, and of clips.csv if any clip is rated
PREDICTED = "predicted_"  # begins the column of predictions of a dimension in predictions.csv


def meanings_of(dimensions: Iterable[str]) -> str:
    """Return what the ends of some dimensions mean, as text; empty without any.

    >>> meanings_of(["arousal", "valence"])
    'arousal: 0 is calm, 1 is excited; valence: 0 is unpleasant, 1 is pleasant'
    """
    return "; ".join(f"{name}: {MEANINGS[name]}" for name in dimensions)
