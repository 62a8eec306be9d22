"""Write the ONNX file of a released model beside its weights."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from torch import nn
from torch.onnx import OnnxExporterError

from ser.core.errors import UserError
from ser.core.typing import FloatArray
from ser.inference.comparison import TOLERANCE, largest_difference
from ser.inference.nets import Nets, input_of_folds
from ser.inference.onnx_export import export_nets
from ser.inference.onnx_nets import open_onnx
from ser.inference.torch_nets import torch_nets
from ser.nets.description import Description
from ser.nets.folder_files import ONNX, onnx_digest, write_description
from ser.nets.normalisation import identity_statistics, measure_statistics


def add_onnx(
    folder: Path,
    description: Description,
    modules: Sequence[nn.Module],
    clips: Sequence[FloatArray],
) -> float:
    """Write a model's nets as an ONNX file into its folder, and the file's digest into model.json.

    Args:
        folder: of the released model.
        description: of the model.
        modules: its nets, on the CPU.
        clips: features of clips to compare on, float32 [frames, dims] each.

    Returns:
        the largest difference of a probability from PyTorch's.

    Raises:
        UserError: the nets cannot be exported, or the file answers otherwise; it is removed again.
    """
    path = folder / ONNX
    try:
        export_nets(description, modules, path)
        _, exported = open_onnx(path)
        furthest = furthest_apart(torch_nets(description, modules), exported, description, clips)
        if not furthest <= TOLERANCE:
            raise UserError(f"ONNX and PyTorch differ by {furthest:.2g}, more than {TOLERANCE:g}")
    except (OnnxExporterError, UserError) as error:
        path.unlink(missing_ok=True)
        raise UserError(str(error).splitlines()[0]) from None
    digest = onnx_digest(folder, description)
    write_description(folder, description.model_copy(update={"onnx": digest}))
    return furthest


def furthest_apart(
    ours: Nets, theirs: Nets, description: Description, clips: Sequence[FloatArray]
) -> float:
    """Return how far two programs that run a model's nets are apart on clips, also once adapted.

    Args:
        ours: one program.
        theirs: the other.
        description: of the model.
        clips: their features, float32 [frames, dims] each; all count as one speaker's.
    """
    programs, voice = [(ours, theirs)], None
    adapted = _adapted(ours, clips), _adapted(theirs, clips)
    if adapted[0] is not None and adapted[1] is not None:
        programs.append((adapted[0], adapted[1]))
        voice = identity_statistics(description.preprocessing.dims)
    elif description.model.normalisation == "speaker":
        voice = measure_statistics(clips, description.preprocessing.dims)
    inputs = [input_of_folds(features, description, voice) for features in clips]
    return largest_difference(
        [[nets.answer(given) for nets in pair] for pair in programs for given in inputs]
    )


def _adapted(nets: Nets, clips: Sequence[FloatArray]) -> Nets | None:
    if nets.pool is None or nets.adapt is None:
        return None
    return nets.adapt(np.stack([nets.pool(features) for features in clips]))
