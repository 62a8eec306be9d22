"""Write a model folder as one ONNX file."""

import contextlib
import io
import logging
import warnings
from pathlib import Path

import onnx
import torch

from ser import model_folder
from ser.net_inputs import FIXED_LENGTHS, min_frames
from ser.onnx_model import INPUT, METADATA, OUTPUT
from ser.params import Model
from ser.torch_nets import Folds

_EXAMPLE_FRAMES = 200


def export(folder: Path, path: Path) -> None:
    """Export all folds' nets: features [folds, frames, dims] -> probabilities [folds, emotions].

    Nets that take clips of any length keep doing so: frames is free.

    Args:
        folder: of the model.
        path: of the file to write.

    Raises:
        UserError: as `ser.model_folder.load`.
    """
    description, modules = model_folder.load(folder)
    model = Model.model_validate(description.model)
    fixed = model.length in FIXED_LENGTHS or model.name == "mlp"
    least = min_frames(model.name)
    frames = max(least, model.frames) if model.length in FIXED_LENGTHS else _EXAMPLE_FRAMES
    if model.name == "mlp":
        frames = 1
    example = torch.zeros(len(modules), frames, sum(description.preprocessing["dims"].values()))
    free = None if fixed else {1: torch.export.Dim.DYNAMIC}
    # The exporter tells of every step, and warns of its own parts.
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        logging.getLogger("torch.onnx").setLevel(logging.ERROR)
        program = torch.onnx.export(
            Folds(modules).eval(),
            (example,),
            input_names=[INPUT],
            output_names=[OUTPUT],
            dynamic_shapes=(free,),
            dynamo=True,
            verbose=False,
        )
    if program is None:
        raise RuntimeError("torch.onnx.export made nothing")
    proto = program.model_proto
    onnx.helper.set_model_props(proto, {METADATA: description.text()})
    onnx.checker.check_model(proto)
    onnx.save(proto, path)
