"""How well voices that a model has never heard are recognised: measured once for its settings."""

import hashlib
import json
from pathlib import Path

from ser.core.errors import UserError
from ser.core.figures import UnheardVoices
from ser.core.validation import check
from ser.nets.description import Description

_NO_EFFECT = {"seed", "stop_after", "snapshots"}  # settings of model


def training_id(description: Description) -> str:
    """Return the same name for trainings that differ only in their seeds and splits."""
    corpus = description.corpus.model_dump(include={"corpora", "emotions"})
    preprocessing = description.preprocessing.model_dump(include={"form", "features"})
    augment = description.augment
    decisive = {
        "model": description.model.model_dump(exclude=_NO_EFFECT),
        "augment": None if augment is None else augment.model_dump(exclude={"seed"}),
        **preprocessing,
        **corpus,
    }
    if description.train_corpora:
        decisive["train_corpora"] = description.train_corpora
    text = json.dumps(decisive, sort_keys=True)
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def read_unheard(path: Path, description: Description) -> UnheardVoices | None:
    """Read how well such a model recognises voices that it has never heard.

    Args:
        path: experiments/unheard_voices.json, which `make protocols` writes: {} or the figures,
            with the `training_id` that they are of.
        description: of the model.

    Returns:
        The figures; None if they were not measured, or with other settings or clips.

    Raises:
        UserError: the file is damaged.
    """
    try:
        values = json.loads(path.read_text("utf-8"))
        if values == {} or values.pop("training") != training_id(description):
            return None
        return check(UnheardVoices, values)
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise UserError(
            f"{path} is damaged ({error}): `git checkout {path}`, or `make protocols NAMES=loso` "
            "to measure it anew"
        ) from None
