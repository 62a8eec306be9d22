"""Place clips on a map where those lie together that are alike to a net."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

FEWEST = 10  # clips: fewer have no neighbours worth a map
_MOST = 2000  # clips: more take minutes, and hide each other
_PERPLEXITY = 30.0  # about how many neighbours a clip is placed by
COLUMNS = ["clip", "fold", "speaker", "emotion", "predicted", "x", "y"]


def map_clips(
    predictions: pd.DataFrame, embedded: Mapping[str, NDArray[np.float32]], seed: int
) -> pd.DataFrame:
    """Place clips by what a net computes of them.

    Args:
        predictions: columns clip, fold, speaker, emotion and predicted; each clip once.
        embedded: clip -> float32 [values].
        seed: of the start of the search, and of which clips are drawn if there are too many.

    Returns:
        The table map.csv: the predictions with columns x and y; of more than 2,000 clips, 2,000 are
        drawn; of fewer than ten, none.
    """
    if len(predictions) < FEWEST:
        return pd.DataFrame(columns=COLUMNS)
    shown = predictions.sort_values("clip", ignore_index=True)
    if len(shown) > _MOST:
        drawn = np.random.default_rng(seed).choice(len(shown), _MOST, replace=False)
        shown = shown.iloc[np.sort(drawn)].reset_index(drop=True)
    places = t_sne(np.stack([embedded[clip] for clip in shown["clip"]]), seed)
    return shown.assign(x=places[:, 0], y=places[:, 1])[COLUMNS]


def t_sne(values: NDArray[np.float32], seed: int) -> NDArray[np.float32]:
    """Place vectors in two dimensions, with the neighbours of each near it.

    Maaten, Hinton: Visualizing data using t-SNE, JMLR 9, 2008. Distances between groups and the
    sizes of groups mean nothing.

    Args:
        values: float32 [clips, values], at least FEWEST clips.
        seed: of the start of the search.

    Returns:
        float32 [clips, 2].
    """
    # Imported only here: it takes a second, and few clips have no map.
    from sklearn.manifold import TSNE

    # The search is for values around 1, and a map does not depend on their unit.
    centred = values - values.mean(axis=0, dtype=np.float64)
    largest = np.abs(centred).max()
    spread = values.shape[1] > 1 and largest > 0
    scaled = centred / (largest or 1.0)
    method = TSNE(
        perplexity=min(_PERPLEXITY, (len(values) - 1) / 3),
        init="pca" if spread else "random",
        random_state=seed,
    )
    # Several threads add up in any order, and the search makes much of the rounding.
    with threadpool_limits(1):
        places: NDArray[np.float32] = method.fit_transform(scaled)
    return places
