"""Speech emotion recognition: the library under the stages of dvc.yaml.

Nothing in here knows of DVC, of params.yaml's place or of the project's folders, but for the
commands of `ser` and its page, which look for a model, and recordings beside it. Conventions:
waveforms are float32 [samples] in -1..1, features float32 [frames, dims], times are in seconds,
frequencies in Hz, levels in dB.
"""

from importlib import import_module
from typing import Any

__all__ = ["load"]


def __getattr__(name: str) -> Any:  # noqa: ANN401 - a function, or no attribute at all
    """Give `ser.load`, the way in for those who use a trained model: see `ser.use.loading.load`.

    By name, and only when asked for: no stage imports, or depends on, what it needs.
    """
    if name in __all__:
        return getattr(import_module("ser.use.loading"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
