"""Write a model folder as one ONNX file."""

from pathlib import Path

import torch
from torch import Tensor, nn

from ser.core.kinds import LOGMEL
from ser.inference.nets import WAVEFORM
from ser.inference.onnx_export import export_nets, quietly, write_onnx
from ser.inference.onnx_nets import (
    DIMENSIONS,
    FOLD_DIMENSIONS,
    FOLD_PROBABILITIES,
    PROBABILITIES,
)
from ser.inference.torch_nets import Folds
from ser.nets import model_folder
from ser.nets.description import Description
from ser.use.front_end import FitLength, LogMel, Normalise, StandardForm

_EXAMPLE_SAMPLES = 50_000


class FromWaveform(nn.Module):
    """The nets of all folds, with the layers that compute their input from a waveform.

    Shapes:
        [samples] -> (mean of the folds' probabilities [emotions], each fold's [folds, emotions]);
        where the nets learned dimensions, also the same of their values.
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

    def forward(self, waveform: Tensor) -> tuple[Tensor, ...]:
        """Compute the probabilities, and the values if there are any."""
        of_folds: tuple[Tensor, ...] = self.layers(waveform)
        return tuple(answer for each in of_folds for answer in (each.mean(dim=0), each))


def takes_waveforms(description: Description) -> bool:
    """Return whether a model's ONNX file takes waveforms, not features.

    ONNX has no operations for functionals and noise reduction. A model with model.normalisation
    speaker needs the speaker's recordings first.
    """
    made = description.preprocessing
    return (
        made.features.kinds == [LOGMEL]
        and made.form.noise_reduction == "none"
        and description.model.normalisation != "speaker"
    )


def export(folder: Path, path: Path) -> None:
    """Export the nets of all folds, including the computation of their input where possible.

    See `takes_waveforms` for which of the two signatures the file has:
    waveform [samples], as `checked_waveform` returns it -> probabilities [emotions], the mean of
    the folds, and of_folds [folds, emotions]; where the nets learned dimensions, also dimensions
    [dimensions] and dimensions_of_folds [folds, dimensions];
    or that of `export_nets`. The number of samples is free.

    Args:
        folder: of the model.
        path: of the file to write.

    Raises:
        UserError: see `ser.nets.model_folder.load`.
    """
    description, modules = model_folder.load(folder)
    if not takes_waveforms(description):
        export_nets(description, modules, path)
        return
    learned = len(description.dimensions)
    net = FromWaveform(description, Folds(modules, description.temperatures, learned))
    more = [DIMENSIONS, FOLD_DIMENSIONS] if learned else []
    with quietly():
        program = torch.onnx.export(
            net.eval(),
            (torch.zeros(_EXAMPLE_SAMPLES),),
            input_names=[WAVEFORM],
            output_names=[PROBABILITIES, FOLD_PROBABILITIES, *more],
            dynamic_shapes=({0: torch.export.Dim.DYNAMIC},),
            dynamo=True,
            verbose=False,
        )
    if program is None:
        raise RuntimeError("torch.onnx.export made nothing")
    write_onnx(program.model_proto, description, path)
