"""Write a model folder as one ONNX file."""

import contextlib
import io
import logging
import warnings
from pathlib import Path

import onnx
import torch
from torch import Tensor, nn

from ser.core.errors import UserError
from ser.core.needs import FIXED_LENGTHS, needs_of
from ser.nets import model_folder
from ser.nets.description import Description
from ser.use.front_end import FitLength, LogMel, Normalise, StandardForm
from ser.use.onnx_model import METADATA, OF_FOLDS, PROBABILITIES
from ser.use.recogniser import FEATURES, WAVEFORM
from ser.use.torch_nets import Folds

_EXAMPLE_FRAMES = 200
_EXAMPLE_SAMPLES = 50_000


class FromWaveform(nn.Module):
    """The nets of all folds, with all that makes their input of what is heard.

    Shapes: [samples] -> (mean of the folds' probabilities [emotions], each fold's [folds,
    emotions]).
    """

    def __init__(self, description: Description, folds: Folds) -> None:
        super().__init__()
        made = description.preprocessing
        self.layers = nn.Sequential(
            StandardForm(made.clean.sample_rate, made.clean.highpass),
            LogMel(made.features, made.banks["mel"]),
            Normalise(description.statistics),
            FitLength(description.model),
            folds,
        )

    def forward(self, waveform: Tensor) -> tuple[Tensor, Tensor]:
        """Compute the probabilities."""
        of_folds = self.layers(waveform)
        return of_folds.mean(dim=0), of_folds


def takes_waveforms(description: Description) -> bool:
    """Whether a model's file needs nothing before it.

    Functionals are no operations that ONNX has, nor is the reduction of noise; what is normalised
    by a voice asks for its recordings first.
    """
    made = description.preprocessing
    return (
        made.features.kinds == ["logmel"]
        and made.clean.noise_reduction == "none"
        and not adapts_to_voices(description)
    )


def adapts_to_voices(description: Description) -> bool:
    """Whether a model hears a voice's recordings before it answers."""
    return description.model.normalisation == "speaker"


def export(folder: Path, path: Path) -> None:
    """Export all folds' nets, with what makes their input where it can be.

    Either waveform [samples], as `checked_waveform` gives it -> probabilities [emotions], the mean
    of the folds, and of_folds [folds, emotions]; or features [folds, frames, dims] -> probabilities
    [folds, emotions]: see `takes_waveforms`. samples is free, and frames is for nets that take
    clips of any length.

    Args:
        folder: of the model.
        path: of the file to write.

    Raises:
        UserError: as `ser.nets.model_folder.load`; or the net adapts to a voice by itself.
    """
    description, modules = model_folder.load(folder)
    if needs_of(description.model).standardises_pooled and adapts_to_voices(description):
        raise UserError(
            f"{folder} adapts to a voice by what it pools of its recordings, which a file cannot: "
            "use the folder, or train with model.normalisation train"
        )
    folds = Folds(modules)
    if takes_waveforms(description):
        net: nn.Module = FromWaveform(description, folds)
        example, free = torch.zeros(_EXAMPLE_SAMPLES), [0]
        inputs, outputs = [WAVEFORM], [PROBABILITIES, OF_FOLDS]
    else:
        net, inputs, outputs = folds, [FEATURES], [PROBABILITIES]
        example, free = _example_features(description)
    # The exporter tells of every step, and warns of its own parts.
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        logging.getLogger("torch.onnx").setLevel(logging.ERROR)
        program = torch.onnx.export(
            net.eval(),
            (example,),
            input_names=inputs,
            output_names=outputs,
            dynamic_shapes=(dict.fromkeys(free, torch.export.Dim.DYNAMIC),),
            dynamo=True,
            verbose=False,
        )
    if program is None:
        raise RuntimeError("torch.onnx.export made nothing")
    proto = program.model_proto
    _forget_origin(proto.graph)
    onnx.helper.set_model_props(proto, {METADATA: description.text()})
    onnx.checker.check_model(proto)
    onnx.save(proto, path)


def _example_features(description: Description) -> tuple[Tensor, list[int]]:
    """Make features as the nets take them; say which of their dimensions are free."""
    model = description.model
    frames, free = _EXAMPLE_FRAMES, [1]
    if model.length in FIXED_LENGTHS:
        frames, free = model.frames, []
    elif needs_of(model).whole_clip:
        frames, free = 1, []
    dims = sum(description.preprocessing.dims.values())
    return torch.zeros(len(description.folds), frames, dims), free


def _forget_origin(graph: onnx.GraphProto) -> None:
    """Remove where in whose files each operation was written: nothing that a file should tell."""
    del graph.metadata_props[:], graph.value_info[:]
    for part in (*graph.node, *graph.initializer, *graph.input, *graph.output):
        del part.metadata_props[:]
