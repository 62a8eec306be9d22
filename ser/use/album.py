"""Write a folder of pictures that show where a model looked in recordings."""

import re
from pathlib import Path

from ser.core.errors import UserError
from ser.core.filters import mel_band_hertz
from ser.use.answers import clock, printable
from ser.use.explanation import explain_file, windows_of
from ser.use.prediction import Prediction
from ser.use.recogniser import Recogniser
from ser.use.spectrogram_picture import draw_explanation
from ser.use.windows import Windows

_LONGEST_NAME = 60  # characters of up to 4 bytes; file systems take 255 bytes


class Album:
    """Draws predicted recordings into a folder, one uniquely named file per picture.

    Attributes:
        pictures: the number of pictures drawn.
    """

    def __init__(self, recogniser: Recogniser, windows: Windows, folder: Path) -> None:
        """Begin an album and make its folder if it does not exist.

        Args:
            recogniser: its model must use mel spectrograms.
            windows: how recordings are cut.
            folder: for the pictures. Existing files of the same names are overwritten.

        Raises:
            UserError: the folder is a file.
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
        """Draw a recording, or each window of a long one that has a prediction.

        Args:
            name: the recording's name as shown.
            path: the recording's file.
            prediction: of the recording.
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
        """Return an unused file name for a picture that is valid on every file system."""
        stem = re.sub(r"[^\w.-]+", "_", base)[-_LONGEST_NAME:].lstrip("-.") or "recording"
        count, name = 1, stem
        while name.casefold() in self._names:
            count += 1
            name = f"{stem}-{count}"
        self._names.add(name.casefold())
        return f"{name}.png"
