"""What is known of a trained model beside its weights: model.json, or the text in an ONNX file."""

import json
import platform
from dataclasses import asdict, dataclass, replace
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ser.core.errors import UserError
from ser.core.figures import Figures
from ser.core.filters import FilterBanks, filter_banks, from_json, to_json
from ser.core.sections import Features
from ser.nets.normalisation import Statistics

FORMAT = 5
_OLDER = (3, 4)  # formats that are read as well
_MAX_CLIPPED = 0.2  # of models of format 3
# Settings of training that those formats do not know, as if they had been given.
_NEWER_SETTINGS = {
    "learning_rate_batch": 0,
    "crop": {"probability": 0.0, "share": [1.0, 1.0]},
    "frequency_shift": 0.0,
}
LIBRARIES = ("ser", "librosa", "numpy", "scipy", "soundfile", "soxr", "torch")


@dataclass(frozen=True)
class Description:
    """All that is needed to use the weights, and where they come from.

    Attributes:
        model: the section model of the parameters.
        emotions: the labels, in the order of the net's outputs.
        preprocessing: how the features were made: {"clean", "features", "filter_banks", "dims"}.
        folds: numbers of the folds, one file of weights each.
        statistics: of each fold, what features are normalised by if it is the train clips'; else
            None.
        corpus: what it was trained and measured on: see `ser.evaluation.card`.
        versions: of Python and the libraries that trained it.
        metrics: the figures of its evaluation; None until it is evaluated.
    """

    model: dict[str, Any]
    emotions: list[str]
    preprocessing: dict[str, Any]
    folds: list[int]
    statistics: list[Statistics | None]
    corpus: dict[str, Any]
    versions: dict[str, str]
    metrics: Figures | None = None

    @property
    def highest_hertz(self) -> float:
        """The highest frequency that reaches the features, in Hz."""
        clean, features = self.preprocessing["clean"], self.preprocessing["features"]
        return float(min(features["fmax"], clean["sample_rate"] / 2))

    @property
    def filter_banks(self) -> FilterBanks:
        """What the features' spectra are weighted with."""
        features = Features.model_validate(self.preprocessing["features"])
        return from_json(self.preprocessing["filter_banks"], features)

    def measured(self, figures: Figures) -> "Description":
        """Return the same with the figures of its evaluation."""
        return replace(self, metrics=figures)

    def text(self) -> str:
        """Write it as JSON."""
        described = {"format": FORMAT, **asdict(self)}
        described["metrics"] = self.metrics and self.metrics.for_model()
        return json.dumps(described, indent=2, default=_as_list) + "\n"


def parse(text: str, source: str | Path) -> Description:
    """Read what `Description.text` wrote.

    Args:
        text: JSON.
        source: where it is from, for the error.

    Raises:
        UserError: of another format than this code reads; names the versions. Or of an older one
            that librosa is needed for, which is not installed.
        ValueError, LookupError, TypeError, AttributeError: it is damaged.
    """
    described = json.loads(text)
    found = described.pop("format", None)
    if found in _OLDER:
        _bring_up_to_date(described, found, source)
    elif found != FORMAT:
        made_by = described.get("versions") or {}
        named = ", ".join(f"{name} {version}" for name, version in sorted(made_by.items()))
        newer = isinstance(found, int) and found > FORMAT
        raise UserError(
            f"{source} is of format {found}, written with {named or 'unknown versions'}; this is "
            f"ser {metadata.version('ser')}, which reads the formats {_OLDER[0]} to {FORMAT}: "
            + ("use a newer version of the project" if newer else "train it anew, `dvc repro`")
        )
    described["statistics"] = [_as_statistics(of_fold) for of_fold in described["statistics"]]
    if described.get("metrics") is not None:
        described["metrics"] = Figures.from_values(described["metrics"])
    description = Description(**described)
    if len(description.statistics) != len(description.folds) or not description.folds:
        raise ValueError("as many statistics as folds expected")
    emotions = description.emotions
    if not isinstance(emotions, list) or emotions != sorted(set(map(str, emotions))):
        raise ValueError(f"emotions are {emotions}, expected are names, sorted, each once")
    return description


def versions() -> dict[str, str]:
    """Name the versions of Python and of the libraries that features and weights depend on."""
    named = {name: metadata.version(name) for name in LIBRARIES}
    return {"python": platform.python_version(), **named}


def _bring_up_to_date(described: dict[str, Any], found: int, source: str | Path) -> None:
    """Change what an older format wrote into the present form.

    Format 3 knows no high-pass filter; its limit of clipping was of samples at full scale, and does
    not fit what is counted now. Neither it nor format 4 holds the filter banks. (That it lists
    intervals instead of naming their ends is known to `ser.core.figures`.)
    """
    preprocessing = described["preprocessing"]
    if found == 3:
        preprocessing["clean"] |= {"highpass": 0.0, "max_clipped": _MAX_CLIPPED}
    described["model"] = _NEWER_SETTINGS | described["model"]
    features = Features.model_validate(preprocessing["features"])
    try:
        banks = filter_banks(preprocessing["clean"]["sample_rate"], features)
    except ModuleNotFoundError as error:
        raise UserError(
            f"{source} is of format {found}, which has its filter banks computed by librosa, and "
            f"{error.name} is not installed: pip install -c requirements.lock librosa; or train "
            "or export it anew"
        ) from None
    preprocessing["filter_banks"] = to_json(banks)


def _as_list(array: NDArray[np.float64]) -> list[float]:
    return [float(value) for value in array]


def _as_statistics(described: dict[str, Any] | None) -> Statistics | None:
    """Make arrays of the lists that stand for them in JSON."""
    if described is None:
        return None
    return {
        kind: tuple(np.array(v, np.float64) if isinstance(v, list) else float(v) for v in values)  # type: ignore[misc]
        for kind, values in described.items()
    }
