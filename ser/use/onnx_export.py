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
from ser.core.kinds import LOGMEL
from ser.core.needs import FIXED_LENGTHS, needs_of
from ser.nets import model_folder
from ser.nets.description import Description
from ser.use.front_end import FitLength, LogMel, Normalise, StandardForm
from ser.use.onnx_model import FOLD_PROBABILITIES, METADATA, PROBABILITIES
from ser.use.recogniser import FEATURES, WAVEFORM
from ser.use.torch_nets import Folds

_EXAMPLE_FRAMES = 200
_EXAMPLE_SAMPLES = 50_000


class FromWaveform(nn.Module):
    """The nets of all folds, with the layers that compute their input from a waveform.

    Shapes: [samples] -> (mean of the folds' probabilities [emotions], each fold's [folds,
    emotions]).
    """

    def __init__(self, description: Description, folds: Folds) -> None:
        super().__init__()
        made = description.preprocessing
        self.layers = nn.Sequential(
            StandardForm(made.form.sample_rate, made.form.highpass),
            LogMel(made.features, made.banks["mel"]),
            Normalise(description.statistics),
            FitLength(description.model),
            folds,
        )

    def forward(self, waveform: Tensor) -> tuple[Tensor, Tensor]:
        """Compute the probabilities."""
        fold_probabilities = self.layers(waveform)
        return fold_probabilities.mean(dim=0), fold_probabilities


def takes_waveforms(description: Description) -> bool:
    """Return whether a model's ONNX file takes waveforms, not features.

    ONNX has no operations for functionals and noise reduction. A model with model.normalisation
    speaker needs the speaker's recordings first.
    """
    made = description.preprocessing
    return (
        made.features.kinds == [LOGMEL]
        and made.form.noise_reduction == "none"
        and not adapts_to_voices(description)
    )


def adapts_to_voices(description: Description) -> bool:
    """Return whether a model adapts to a speaker's recordings before it predicts."""
    return description.model.normalisation == "speaker"


def export(folder: Path, path: Path) -> None:
    """Export the nets of all folds, including the computation of their input where possible.

    See `takes_waveforms` for which of the two signatures the file has:
    waveform [samples], as `checked_waveform` returns it -> probabilities [emotions], the mean of
    the folds, and of_folds [folds, emotions];
    or features [folds, frames, dims] -> probabilities [folds, emotions].
    The size of samples is free, and that of frames for nets that take clips of any length.

    Args:
        folder: of the model.
        path: of the file to write.

    Raises:
        UserError: see `ser.nets.model_folder.load`; or the net itself adapts to a voice.
    """
    description, modules = model_folder.load(folder)
    if needs_of(description.model).standardises_pooled and adapts_to_voices(description):
        raise UserError(
            f"{folder} adapts to a voice by what it pools from its recordings, which a file "
            "cannot: use the folder, or train with model.normalisation train"
        )
    folds = Folds(modules, description.temperatures)
    if takes_waveforms(description):
        net: nn.Module = FromWaveform(description, folds)
        example, free = torch.zeros(_EXAMPLE_SAMPLES), [0]
        inputs, outputs = [WAVEFORM], [PROBABILITIES, FOLD_PROBABILITIES]
    else:
        net, inputs, outputs = folds, [FEATURES], [PROBABILITIES]
        example, free = _example_features(description)
    # The exporter reports every step, and warns about its own parts.
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
    onnx.helper.set_model_props(proto, {METADATA: description.to_json()})
    onnx.checker.check_model(proto)
    onnx.save(proto, path)


def _example_features(description: Description) -> tuple[Tensor, list[int]]:
    """Make features of the shape that the nets take; return them and their free dimensions."""
    model = description.model
    frames, free = _EXAMPLE_FRAMES, [1]
    if model.length in FIXED_LENGTHS:
        frames, free = model.frames, []
    elif needs_of(model).whole_clip:
        frames, free = 1, []
    dims = sum(description.preprocessing.dims.values())
    return torch.zeros(len(description.folds), frames, dims), free


def _forget_origin(graph: onnx.GraphProto) -> None:
    """Remove the source file of each operation from the metadata: it names the user's folders."""
    del graph.metadata_props[:], graph.value_info[:]
    for part in (*graph.node, *graph.initializer, *graph.input, *graph.output):
        del part.metadata_props[:]
