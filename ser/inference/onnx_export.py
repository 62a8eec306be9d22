"""Write nets as one ONNX file. The same nets make the same bytes."""

import base64
import contextlib
import io
import logging
import warnings
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import onnx
import torch
from torch import Tensor, nn

from ser.core.needs import FIXED_LENGTHS, needs_of
from ser.inference.nets import FEATURES
from ser.inference.onnx_nets import (
    CENTRE,
    DIMENSIONS,
    METADATA,
    POOLED,
    PROBABILITIES,
    SCALE,
    STANDARD,
)
from ser.inference.torch_nets import Folds, StandardisingFolds, standard_of, standardising
from ser.nets.description import Description

_EXAMPLE_FRAMES = 200


def export_nets(description: Description, modules: Sequence[nn.Module], path: Path) -> None:
    """Export the nets of all folds, without the computation of their input.

    The file maps features [folds, frames, dims] to probabilities [folds, emotions]. The number of
    frames is free for nets that take clips of any length. Nets that standardise what they pool also
    take centre and scale [folds, pooled], and return pooled [folds, pooled]. Nets that learned
    dimensions also return dimensions [folds, dimensions].

    Args:
        description: of the model.
        modules: the nets, on the CPU.
        path: of the file to write.
    """
    example, free = _example_features(description)
    nets, learned = standardising(modules), len(description.dimensions)
    more = [DIMENSIONS] if learned else []
    # The exporter does not find out the sizes of these outputs of every net.
    sizes = {DIMENSIONS: [len(modules), learned]} if learned else {}
    if not nets:
        folds = Folds(modules, description.temperatures, learned)
        proto = _trace(folds, {FEATURES: example}, free, [PROBABILITIES, *more], path)
        _state_sizes(proto.graph, sizes)
        write_onnx(proto, description, path)
        return
    standard = standard_of(nets)
    examples = {
        FEATURES: example,
        CENTRE: torch.from_numpy(standard.centre),
        SCALE: torch.from_numpy(standard.scale),
    }
    folds_by = StandardisingFolds(nets, description.temperatures, learned)
    proto = _trace(folds_by, examples, free, [PROBABILITIES, POOLED, *more], path)
    _state_sizes(proto.graph, {POOLED: list(standard.centre.shape), **sizes})
    values = np.stack([standard.centre, standard.scale]).astype("<f4")
    metadata = {STANDARD: base64.b64encode(values.tobytes()).decode()}
    write_onnx(proto, description, path, metadata)


def _trace(
    net: nn.Module,
    examples: Mapping[str, Tensor],
    free: Sequence[int],
    outputs: Sequence[str],
    path: Path,
) -> onnx.ModelProto:
    """Return a net as a graph.

    It is traced, which takes a tenth of the time of `torch.export`, and is enough for nets that do
    not decide by the values or the number of the frames.

    Args:
        net: on the CPU.
        examples: name of each input, in the order of the net -> a value that it can take.
        free: the dimensions of the first input that may have any size.
        outputs: names of the outputs.
        path: of a file that may be written to.
    """
    with quietly():
        torch.onnx.export(
            net.eval(),
            tuple(examples.values()),
            path,
            input_names=list(examples),
            output_names=outputs,
            dynamic_axes={FEATURES: {axis: f"any_{axis}" for axis in free}},
            dynamo=False,
        )
    return onnx.load(path)


def write_onnx(
    proto: onnx.ModelProto,
    description: Description,
    path: Path,
    metadata: Mapping[str, str] | None = None,
) -> None:
    """Write a graph as a file, with its description.

    Args:
        proto: the graph.
        description: of the model; the digest of its own ONNX file is left out.
        path: of the file to write.
        metadata: more to write into the file.
    """
    _forget_origin(proto.graph)
    described = description.model_copy(update={"onnx": None}).to_json()
    onnx.helper.set_model_props(proto, {METADATA: described, **(metadata or {})})
    onnx.checker.check_model(proto)
    onnx.save(proto, path)


@contextlib.contextmanager
def quietly() -> Iterator[None]:
    """Keep silent what an exporter reports: every step, and warnings about its own parts."""
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        logging.getLogger("torch.onnx").setLevel(logging.ERROR)
        yield


def _state_sizes(graph: onnx.GraphProto, sizes: Mapping[str, Sequence[int]]) -> None:
    """Write the sizes of some outputs into a graph."""
    for output in graph.output:
        if output.name in sizes:
            typed = onnx.helper.make_tensor_type_proto(onnx.TensorProto.FLOAT, sizes[output.name])
            output.type.tensor_type.CopyFrom(typed.tensor_type)


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
