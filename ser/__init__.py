"""Speech emotion recognition: the library under the stages of dvc.yaml.

The library does not depend on DVC, the location of params.yaml or the project's folders. Only the
commands of `ser` and its page look for a model and the recordings beside it. Conventions: waveforms
are float32 [samples] in -1..1, features float32 [frames, dims], times are in seconds, frequencies
in Hz, levels in dB.
"""

from importlib import import_module
from typing import Any

__all__ = ["load"]


def __getattr__(name: str) -> Any:  # noqa: ANN401 - a function, or no attribute at all
    """Return `ser.load`, which opens a trained model: see `ser.use.loading.load`.

    It is imported by name and only on access, so that no stage imports or depends on its modules.
    """
    if name in __all__:
        return getattr(import_module("ser.use.loading"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
