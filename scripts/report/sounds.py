"""Embed clips in the page, to listen to."""

import base64
import io
from collections.abc import Iterable

import soundfile

from scripts.workspace import ROOT
from ser.core.errors import UserError
from ser.core.store import Store
from ser.core.tables import read_csv
from ser.core.typing import FloatArray

MOST_BYTES = 5_000_000  # of FLAC in one page: about four minutes at 16 kHz


def embed_clips(clips: Iterable[str]) -> tuple[dict[str, str], str]:
    """Embed clips of data/clean, as the model hears them, until the page would be too large.

    Returns:
        (clip -> its sound as a data URI, why some or all are missing, or an empty text).
    """
    found: dict[str, str] = {}
    used = left_out = 0
    try:
        paths = read_csv(ROOT / "data/clips.csv").set_index("clip")["path"]
        store = Store(ROOT / "data/clean")
        for clip in clips:
            sound = _as_flac(store[paths[clip]], store.meta["sample_rate"])
            if used + len(sound) > MOST_BYTES:
                left_out += 1
            else:
                used += len(sound)
                found[clip] = "data:audio/flac;base64," + base64.b64encode(sound).decode()
    except (UserError, LookupError) as error:
        return {}, f"the clips cannot be played: {error}"
    if left_out:
        limit = f"{MOST_BYTES / 1e6:g} MB"
        return found, f"{left_out} clips are left out: the page holds at most {limit} of sound"
    return found, ""


def _as_flac(waveform: FloatArray, sample_rate: int) -> bytes:
    file = io.BytesIO()
    soundfile.write(file, waveform, sample_rate, format="FLAC", subtype="PCM_16")
    return file.getvalue()
