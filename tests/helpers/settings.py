"""Settings of clips and of a small net, which tests change one by one."""

from ser.core.sections import AudioForm, AudioLimits, Clean

PLAIN_MODEL = {
    "name": "cnn",
    "layers": 3,
    "width": 4,
    "batch_norm": False,
    "pooling": "mean",
    "dropout": 0.0,
    "normalisation": "clip",
    "length": "own",
    "frames": 32,
    "balance": "none",
    "copies": "one",
    "batch_size": 8,
    "epochs": 1,
    "optimizer": "adamw",
    "learning_rate": 0.01,
    "learning_rate_batch": 0,
    "weight_decay": 0.0,
    "c": 1.0,
    "schedule": "constant",
    "decay_epoch": 50,
    "label_smoothing": 0.0,
    "mixup": 0.0,
    "crop": {"probability": 0.0, "share": [0.6, 0.9]},
    "frequency_shift": 0.0,
    "frequency_mask": 0,
    "time_mask": 0,
    "patience": 0,
    "stop_after": 0,
    "snapshots": False,
    "seed": 0,
}
CLEAN = {
    "sample_rate": 16000,
    "min_seconds": 0.5,
    "max_clipped": 0.2,
    "highpass": 60.0,
    "noise_reduction": "none",
    "noise_seconds": 0.25,
    "song": False,
    "emotions": "all",
    "relabel": {},
    "columns": [],
}

FORM = Clean.model_validate(CLEAN).form
LIMITS = Clean.model_validate(CLEAN).limits


def audio_form(**changes):
    """Return the form of CLEAN, not filtered, with changes."""
    form = {key: CLEAN[key] for key in AudioForm.model_fields} | {"highpass": 0.0}
    return AudioForm.model_validate(form | changes)


def audio_limits(min_seconds, max_clipped):
    return AudioLimits(min_seconds=min_seconds, max_clipped=max_clipped)
