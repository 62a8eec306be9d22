"""Training steps recorded and replayed: on a GPU, as CUDA graphs."""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import cache, partial

import torch

from ser.training.batches import Batch

# A recording takes as long as a few steps: shapes that are rarer are not worth it.
_RARE = 3
_MOST = 1024  # recordings: each has a batch of its own
_LARGEST = 1 << 21  # values of a batch's features: beyond, kernels take longer than their launch

Work = Callable[[], object]
Shape = tuple[tuple[int, ...], bool]  # of the features, and whether some clip is padded


class RecordedSteps:
    """Takes training steps; those of a shape that comes often by replaying a recording.

    A small step takes longer to launch on a GPU, kernel by kernel, than to compute. A recording
    launches all its kernels at once. They are those of the step itself, so the same bytes come out.

    Whatever a step reads and writes beside its batch must stay where it is in memory: weights,
    moments and learning rates of the optimizer, sums.
    """

    def __init__(self, take: Callable[[Batch], None], record: Callable[[Work], Work]) -> None:
        """Begin without recordings.

        Args:
            take: takes a step, and does not wait for the GPU.
            record: makes of some work without arguments what does it again.
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
        replay()

    def _is_worth_recording(self, batch: Batch, times: int) -> bool:
        small = batch.features.numel() <= _LARGEST
        return times > _RARE and small and batch.weight == 1 and len(self._recordings) < _MOST


def _copied(batch: Batch) -> Batch:
    """Copy an unmixed batch."""
    labels = batch.labels.clone()
    return replace(
        batch,
        features=batch.features.clone(),
        lengths=batch.lengths.clone(),
        labels=labels,
        mixed_labels=labels,
        voices=None if batch.voices is None else batch.voices.clone(),
    )


class CudaRecorder:
    """Records what a GPU is given to do, as CUDA graphs that use one memory in turn."""

    def __init__(self, optimizer: torch.optim.Optimizer, device: torch.device) -> None:
        """Prepare recordings of work that an optimizer has a part in, on a GPU."""
        self._optimizer, self._device = optimizer, device
        self._memory = torch.cuda.graph_pool_handle()

    def __call__(self, work: Work) -> Work:
        """Record work, without doing it; return what does it."""
        stream, current = _side_stream(self._device), torch.cuda.current_stream(self._device)
        stream.wait_stream(current)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.stream(stream), _capturable(self._optimizer):
            # What other threads do meanwhile is none of its business.
            graph.capture_begin(self._memory, "thread_local")
            try:
                work()
            finally:
                graph.capture_end()
        current.wait_stream(stream)
        return graph.replay


@contextmanager
def _capturable(optimizer: torch.optim.Optimizer) -> Iterator[None]:
    """Let an optimizer's step be recorded; outside of recordings PyTorch warns of the setting."""
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
