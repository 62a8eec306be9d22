"""Draw values over time and frequency with librosa."""

import librosa.display
import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import QuadMesh
from matplotlib.colors import Colormap
from numpy.typing import NDArray


def draw_spectrogram(
    axes: Axes,
    values: NDArray[np.floating],
    seconds_per_frame: float,
    band_hertz: NDArray[np.float64],
    colours: str | Colormap,
    vmin: float,
    vmax: float,
) -> QuadMesh:
    """Draw values [frames, n_mels] over time in seconds and frequency in Hz on a mel scale."""
    return librosa.display.specshow(
        values.T,
        x_coords=np.arange(len(values)) * seconds_per_frame,
        y_coords=band_hertz,
        x_axis="s",
        y_axis="mel",
        cmap=colours,
        vmin=vmin,
        vmax=vmax,
        ax=axes,
    )
