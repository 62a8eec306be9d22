"""Training steps recorded as CUDA graphs and replayed."""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import cache

import torch
from torch import Tensor

from ser.training.batches import Batch

# A recording takes as long as a few steps: shapes that are rarer are not worth it.
_RARE = 3
_MOST = 1024  # recordings: each has buffers of its own
_LARGEST = 1 << 21  # values of a batch's features: beyond, kernels take longer than their launch

Shape = tuple[tuple[int, ...], bool]  # of the features, and whether some clip is padded
Recording = tuple[torch.cuda.CUDAGraph, Batch]  # and the batch that it reads


class RecordedSteps:
    """Takes training steps on a GPU; those of a shape that comes often by replaying a recording.

    A small step takes longer to launch, kernel by kernel, than to compute. A recording launches all
    its kernels at once. They are those of the step itself, so the same bytes come out.

    Whatever a step reads and writes beside its batch must stay where it is in memory: weights,
    moments and learning rates of the optimizer, sums.
    """

    def __init__(
        self, step: Callable[[Batch], None], optimizer: torch.optim.Optimizer, device: torch.device
    ) -> None:
        """Begin without recordings.

        Args:
            step: takes a step, and does not wait for the GPU.
            optimizer: that the step uses.
            device: a GPU.
        """
        self._step, self._optimizer, self._device = step, optimizer, device
        self._seen: Counter[Shape] = Counter()
        self._recordings: dict[Shape, Recording] = {}
        self._memory = torch.cuda.graph_pool_handle()

    def take(self, batch: Batch) -> None:
        """Take one step."""
        shape = (tuple(batch.features.shape), batch.padded)
        if shape not in self._recordings:
            self._seen[shape] += 1
            if not self._is_worth_recording(batch, self._seen[shape]):
                self._step(batch)
                return
            self._recordings[shape] = self._record(batch)
        graph, buffers = self._recordings[shape]
        read = _read(batch)
        for name, buffer in _read(buffers).items():
            buffer.copy_(read[name])
        graph.replay()

    def _is_worth_recording(self, batch: Batch, times: int) -> bool:
        small = batch.features.numel() <= _LARGEST
        return times > _RARE and small and batch.weight == 1 and len(self._recordings) < _MOST

    def _record(self, batch: Batch) -> Recording:
        """Record the step of a batch's shape, without taking it."""
        buffers = replace(
            batch,
            features=batch.features.clone(),
            lengths=batch.lengths.clone(),
            labels=batch.labels.clone(),
            voices=None if batch.voices is None else batch.voices.clone(),
        )
        stream, current = _side_stream(self._device), torch.cuda.current_stream(self._device)
        stream.wait_stream(current)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.stream(stream), _capturable(self._optimizer):
            # Work of other threads is none of its business.
            graph.capture_begin(self._memory, "thread_local")
            try:
                self._step(buffers)
            finally:
                graph.capture_end()
        current.wait_stream(stream)
        return graph, buffers


def _read(batch: Batch) -> dict[str, Tensor]:
    """Return what differs between two unmixed batches of one shape."""
    tensors = {"features": batch.features, "labels": batch.labels}
    if batch.padded:
        tensors["lengths"] = batch.lengths
    if batch.voices is not None:
        tensors["voices"] = batch.voices
    return tensors


@contextmanager
def _capturable(optimizer: torch.optim.Optimizer) -> Iterator[None]:
    """Let an optimizer's step be recorded; outside of a recording PyTorch warns of the setting."""
    groups = [group for group in optimizer.param_groups if "capturable" in group]
    for group in groups:
        group["capturable"] = True
    try:
        yield
    finally:
        for group in groups:
            group["capturable"] = False


@cache
def _side_stream(device: torch.device) -> torch.cuda.Stream:
    """Return the stream that all recordings are made on: libraries keep memory for each."""
    return torch.cuda.Stream(device)
