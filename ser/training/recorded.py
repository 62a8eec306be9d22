"""Record and replay training steps, on a GPU as CUDA graphs."""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import cache, partial

import torch

from ser.training.batches import Batch

# A recording takes as long as a few steps, so it is not worth it for rare shapes.
_RARE = 3
_MAX_RECORDINGS = 1024  # each keeps its own batch
_MAX_VALUES = 1 << 21  # of a batch's features; above, kernels take longer than their launch

Work = Callable[[], object]
Shape = tuple[tuple[int, ...], bool]  # shape of the features, and whether any clip is padded


class RecordedSteps:
    """Take training steps, and replay a recording for shapes that occur often.

    The kernels of a small step take longer to launch on a GPU than to compute. A recording launches
    all of them at once. It has the same kernels as the step, so the results are the same.

    Everything else that a step reads or writes must keep its place in memory: weights, sums, and
    the optimizer's moments and learning rates.
    """

    def __init__(self, take: Callable[[Batch], None], record: Callable[[Work], Work]) -> None:
        """Start without recordings.

        Args:
            take: function that takes a step without waiting for the GPU.
            record: function that records a callable and returns one that replays it.
        """
        self._take, self._record = take, record
        self._seen: Counter[Shape] = Counter()
        self._recordings: dict[Shape, tuple[Batch, Work]] = {}

    def take(self, batch: Batch) -> None:
        """Take one step."""
        shape = (tuple(batch.features.shape), batch.padded)
        if shape not in self._recordings:
            self._seen[shape] += 1
            if not self._is_worth_recording(batch, self._seen[shape]):
                self._take(batch)
                return
            own = _copied(batch)
            self._recordings[shape] = own, self._record(partial(self._take, own))
        own, replay = self._recordings[shape]
        own.features.copy_(batch.features)
        own.labels.copy_(batch.labels)
        if batch.padded:
            own.lengths.copy_(batch.lengths)
        if own.voices is not None and batch.voices is not None:
            own.voices.copy_(batch.voices)
        if own.loss_weights is not None and batch.loss_weights is not None:
            own.loss_weights.copy_(batch.loss_weights)
        if own.ratings is not None and batch.ratings is not None:
            own.ratings.copy_(batch.ratings)
        replay()

    def _is_worth_recording(self, batch: Batch, times: int) -> bool:
        small = batch.features.numel() <= _MAX_VALUES
        return (
            times > _RARE
            and small
            and batch.weight == 1
            and len(self._recordings) < _MAX_RECORDINGS
        )


def _copied(batch: Batch) -> Batch:
    """Copy an unmixed batch."""
    labels = batch.labels.clone()
    weights = None if batch.loss_weights is None else batch.loss_weights.clone()
    return replace(
        batch,
        features=batch.features.clone(),
        lengths=batch.lengths.clone(),
        labels=labels,
        mixed_labels=labels,
        voices=None if batch.voices is None else batch.voices.clone(),
        loss_weights=weights,
        mixed_loss_weights=weights,
        ratings=None if batch.ratings is None else batch.ratings.clone(),
    )


class CudaRecorder:
    """Record the work of a GPU as CUDA graphs that share one memory pool."""

    def __init__(self, optimizer: torch.optim.Optimizer, device: torch.device) -> None:
        """Prepare recordings of steps with an optimizer on a GPU."""
        self._optimizer, self._device = optimizer, device
        self._memory = torch.cuda.graph_pool_handle()

    def __call__(self, work: Work) -> Work:
        """Record work without doing it; return a callable that does it."""
        stream, current = _side_stream(self._device), torch.cuda.current_stream(self._device)
        stream.wait_stream(current)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.stream(stream), _capturable(self._optimizer):
            # Other threads may use the GPU at the same time.
            graph.capture_begin(self._memory, "thread_local")
            try:
                work()
            finally:
                graph.capture_end()
        current.wait_stream(stream)
        return graph.replay


@contextmanager
def _capturable(optimizer: torch.optim.Optimizer) -> Iterator[None]:
    """Allow recording of an optimizer's step; outside of recordings, PyTorch warns about this."""
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
    """Return the stream of all recordings; only one, because libraries keep memory for each."""
    return torch.cuda.Stream(device)
