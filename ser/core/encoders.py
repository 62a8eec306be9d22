"""Frozen speech encoders on disk: what is known of one without running it."""

import hashlib
import json
from pathlib import Path
from typing import Any

from ser.core.errors import UserError
from ser.core.extras import needed_by
from ser.core.kinds import ENCODER_RATE
from ser.core.sections import Features

# The kind of encoder in config.json -> the key of its width there.
_WIDTHS = {
    "wav2vec2": "hidden_size",
    "hubert": "hidden_size",
    "wavlm": "hidden_size",
    "whisper": "d_model",
}
_LAYERS = {"whisper": "encoder_layers"}  # others: num_hidden_layers
_CONFIG, _PREPARATION = "config.json", "preprocessor_config.json"
_INDEX = "model.safetensors.index.json"  # of weights in several files
_WIDEST = 8192  # of a clip's mean


def encoder_columns(features: Features) -> int:
    """Return how many numbers `ser.features.encoder.encode` makes of a clip.

    Raises:
        UserError: there is no such encoder, or it is not of a known kind.
    """
    folder = encoder_folder(features.encoder)
    config = _read_json(folder / _CONFIG)
    kind = str(config.get("model_type"))
    width = config.get(_WIDTHS.get(kind, ""))
    if not isinstance(width, int) or not 1 <= width <= _WIDEST:
        raise UserError(
            f"{folder} holds no encoder of the kinds {', '.join(_WIDTHS)}: its config.json says "
            f"model_type {kind!r} with a width of {width!r}"
        )
    layer, layers = features.encoder_layer, config.get(_LAYERS.get(kind, "num_hidden_layers"))
    if layer != "mean" and not (isinstance(layers, int) and layer <= layers):
        raise UserError(f"features.encoder_layer {layer}: {folder} has the layers 0 to {layers}")
    rate = _read_json(folder / _PREPARATION).get("sampling_rate")
    if rate != ENCODER_RATE:
        raise UserError(
            f"{folder} is for recordings of {rate} Hz, {ENCODER_RATE} Hz is expected: use another "
            "encoder"
        )
    weight_files(folder)
    return 2 * width


def encoder_digest(features: Features) -> str:
    """Return a digest of an encoder's files, by which a model knows that it is the same.

    Raises:
        UserError: there is no such encoder.
    """
    folder = encoder_folder(features.encoder)
    digest = hashlib.blake2b(digest_size=16)
    for path in (folder / _CONFIG, folder / _PREPARATION, *weight_files(folder)):
        with path.open("rb") as file:
            digest.update(hashlib.file_digest(file, "blake2b").digest())
    return digest.hexdigest()


def encoder_folder(encoder: str) -> Path:
    """Return the folder of an encoder; one of the Hub must have been downloaded before.

    Raises:
        UserError: there is no such folder.
    """
    name, at, revision = encoder.partition("@")
    if not at:
        if not Path(encoder, _CONFIG).is_file():
            raise UserError(
                f"features.encoder {encoder!r}: a folder with the config.json of an encoder, as "
                "transformers stores it, is expected"
            )
        return Path(encoder)
    with needed_by(f"features.encoder {encoder!r}"):
        from transformers.utils.hub import try_to_load_from_cache  # type: ignore[attr-defined]
    # What transformers has to load a file asks the Hub, even if told not to.
    found = try_to_load_from_cache(name, _CONFIG, revision=revision)
    if not isinstance(found, str):
        raise UserError(
            f"features.encoder {encoder!r} has not been downloaded: `hf download {name} --revision "
            f"{revision}`; nothing is downloaded here"
        )
    return Path(found).parent


def weight_files(folder: Path) -> list[Path]:
    """Return the files of an encoder's weights, sorted.

    Raises:
        UserError: there are none that are safe to read.
    """
    found = sorted(folder.glob("*.safetensors"))
    if not found:
        pickles = sorted(path.name for path in folder.glob("*.bin"))
        why = f"only {pickles[0]}, a pickle, which could run code" if pickles else "none"
        raise UserError(f"{folder}: weights in *.safetensors are expected, there are {why}")
    if not (folder / _INDEX).exists():
        return found
    listed = _read_json(folder / _INDEX).get("weight_map")
    named = set(listed.values()) if isinstance(listed, dict) else set()
    if outside := sorted(str(name) for name in named if folder / str(name) not in found):
        raise UserError(
            f"{folder / _INDEX} names {outside[0]}, which is no file of weights in this folder"
        )
    return [*found, folder / _INDEX]


def _read_json(path: Path) -> dict[str, Any]:
    try:
        values = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise UserError(f"{path} cannot be read ({error}): an encoder needs it") from None
    return values if isinstance(values, dict) else {}
