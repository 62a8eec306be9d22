"""A folder of pictures: where a model looked in recordings."""

import re
from pathlib import Path

from ser.core.errors import UserError
from ser.core.filters import mel_band_hertz
from ser.use.answers import clock, printable
from ser.use.explanation import explain_file, windows_of
from ser.use.recogniser import Prediction, Recogniser
from ser.use.spectrogram_picture import draw_explanation
from ser.use.windows import Windows

_LONGEST_NAME = 60  # characters, of up to 4 bytes of the 255 that a file system takes


class Album:
    """Draws predicted recordings into a folder, each picture under a name of its own.

    Attributes:
        pictures: how many were drawn.
    """

    def __init__(self, recogniser: Recogniser, windows: Windows, folder: Path) -> None:
        """Begin an album; the folder is made if it is not there.

        Args:
            recogniser: of a model that sees mel spectrograms.
            windows: how recordings are cut.
            folder: of the pictures. Those of a former album of the same names are replaced.

        Raises:
            UserError: it is a file.
        """
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except (FileExistsError, NotADirectoryError):
            raise UserError(
                f"{folder}: a folder for the pictures is expected, not a file"
            ) from None
        self.pictures = 0
        self._recogniser, self._windows, self._folder = recogniser, windows, folder
        self._names: set[str] = set()
        self._band_hertz = mel_band_hertz(recogniser.description.preprocessing.features)

    def add(self, name: str, path: Path, prediction: Prediction) -> None:
        """Draw a recording; of a long one, each window in which an emotion is told.

        Args:
            name: of the recording, as it is shown.
            path: where it lies.
            prediction: what was told of it.
        """
        windows = windows_of(prediction)
        for window, x in explain_file(self._recogniser, path, prediction, self._windows, windows):
            base, title = Path(name).name, ""
            if prediction.windows:
                base += f"-{window.start:07.1f}s"
                title += f", {clock(window.start)} to {clock(window.end)}"
            title += f": {x.emotion} ({x.probability:.0%})"
            draw_explanation(
                self._folder / self._free(base), x, self._band_hertz, printable(name), title
            )
            self.pictures += 1

    def _free(self, base: str) -> str:
        """Make a name for a picture that no other has, on whatever file system."""
        stem = re.sub(r"[^\w.-]+", "_", base)[-_LONGEST_NAME:].lstrip("-.") or "recording"
        count, name = 1, stem
        while name.casefold() in self._names:
            count += 1
            name = f"{stem}-{count}"
        self._names.add(name.casefold())
        return f"{name}.png"
