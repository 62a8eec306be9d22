"""Compute what a frozen speech encoder, which others trained, makes of a clip.

Encoders of the kinds wav2vec2, HuBERT, WavLM and Whisper, as the library transformers stores them:
Baevski et al., NeurIPS 2020; Hsu et al., IEEE/ACM TASLP 2021; Chen et al., IEEE JSTSP 2022; Radford
et al., ICML 2023.
"""

from functools import cache
from typing import Any

import numpy as np
import soxr

from ser.core.encoders import encoder_folder, weight_files
from ser.core.errors import UserError
from ser.core.extras import needed_by
from ser.core.kinds import ENCODER_RATE
from ser.core.sections import Features
from ser.core.typing import FloatArray

_PIECE = 30 * ENCODER_RATE  # samples that an encoder gets at once: what Whisper takes
_FEWEST = 400  # samples: of fewer, the convolutions make no frame
_HOP = 320  # samples from frame to frame


def encode(waveform: FloatArray, sample_rate: int, features: Features) -> FloatArray:
    """Compute mean and deviation of an encoder's states over a clip.

    Clips longer than 30 s are encoded in pieces.

    Args:
        waveform: float32 [samples] in -1..1.
        sample_rate: in Hz.
        features: which encoder, and which of its layers.

    Returns:
        float32 [1, columns]: the means of all states, then their deviations.

    Raises:
        UserError: the encoder cannot be used, or transformers is not installed.
    """
    if sample_rate != ENCODER_RATE:
        waveform = soxr.resample(waveform, sample_rate, ENCODER_RATE)
    states = np.concatenate(
        [
            _states(waveform[start : start + _PIECE], features)
            for start in range(0, max(1, len(waveform)), _PIECE)
        ],
        dtype=np.float64,
    )
    pooled = np.concatenate([states.mean(axis=0), states.std(axis=0)])
    return pooled[np.newaxis].astype(np.float32)


@cache
def _load(encoder: str) -> tuple[Any, Any]:
    """Load an encoder; return it and what prepares its input."""
    folder = encoder_folder(encoder)
    weight_files(folder)
    with needed_by(f"features.encoder {encoder!r}"):
        import torch
        from transformers import AutoFeatureExtractor, AutoModel, logging
    logging.set_verbosity_error()  # type: ignore[no-untyped-call]
    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    safe = {"local_files_only": True, "trust_remote_code": False}
    try:
        prepare = AutoFeatureExtractor.from_pretrained(folder, **safe)  # type: ignore[no-untyped-call]
        net, about = AutoModel.from_pretrained(
            folder,
            use_safetensors=True,
            output_loading_info=True,
            dtype=torch.float32,  # some are published in half precision
            **safe,
        )
    except Exception as error:  # of transformers, or of any package that a strange config names
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise UserError(f"{folder} holds no usable encoder: {reason}") from None
    # Only used in training, and left out of some files.
    missing = sorted(set(about["missing_keys"]) - {"masked_spec_embed"})
    if missing:
        raise UserError(f"{folder}: {len(missing)} weights are missing, such as {missing[0]}")
    return prepare, net.eval()


def _states(piece: FloatArray, features: Features) -> FloatArray:
    """Compute the wanted states of at most 30 s: float32 [frames, width]."""
    prepare, net = _load(features.encoder)
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # more would round otherwise
    try:
        padded = np.pad(piece, (0, max(0, _FEWEST - len(piece))))
        given = prepare(padded, sampling_rate=ENCODER_RATE, return_tensors="pt")
        with torch.inference_mode():
            if net.config.model_type == "whisper":
                made = net.get_encoder()(given["input_features"], output_hidden_states=True)
            else:
                made = net(given["input_values"], output_hidden_states=True)
    finally:
        torch.set_num_threads(threads)
    # Whisper's input is filled up to 30 s.
    frames = -(-len(padded) // _HOP) if net.config.model_type == "whisper" else None
    layers = torch.stack(made.hidden_states)[:, 0, :frames]
    layer = features.encoder_layer
    chosen = layers.mean(dim=0) if layer == "mean" else layers[layer]
    states: FloatArray = chosen.numpy()
    return states
