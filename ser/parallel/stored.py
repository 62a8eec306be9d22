"""Compute arrays in parallel and store them: the workers write them, and nothing large is sent."""

from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing
from functools import partial
from itertools import islice
from pathlib import Path

from ser.core.store import ArraySlice, Move, Shard, StoreWriter, join
from ser.core.typing import FloatArray
from ser.parallel import ordered_map, scheduler_address, worker_count
from ser.parallel.local import Item, Result

# Items of a message and of a shard. One at a time, messages would cost the driver more than the
# rest of its work.
AT_ONCE = 16

Computed = tuple[Result, Sequence[FloatArray]]
Written = tuple[Result, Sequence[FloatArray | ArraySlice]]
Job = tuple[list[Item], list[Move]]


def stored_map(
    function: Callable[[Item], Computed[Result]], items: Iterable[Item], store: StoreWriter
) -> Generator[Written[Result], None, None]:
    """Yield `function(item)` for each item, in order, with arrays that are in shards.

    As `ordered_map`, but the arrays stay with the workers, which write them to shards in the
    store's folder and copy them to their places once the caller has added them. Close the generator
    before the store.

    Args:
        function: applied to each item; returns something small, and arrays for the store.
        items: read one by one, a few groups of AT_ONCE ahead.
        store: to which the caller adds the arrays that it wants, each before it asks for the next.

    Yields:
        What the function returned, the arrays as `StoreWriter.add` takes them.
    """
    on_cluster = bool(scheduler_address())
    if not on_cluster and worker_count() == 1:
        with closing(ordered_map(function, items)) as results:
            yield from results
        return
    work = partial(_compute, function=function, folder=store.folder.absolute())
    # Machines that write to one file of a shared folder may overwrite each other's neighbouring
    # bytes (NFS). So on a cluster, this process alone writes to it.
    jobs = ((group, [] if on_cluster else store.take_moves()) for group in _groups(items))
    with closing(ordered_map(work, jobs, AT_ONCE)) as results:
        for group in results:
            yield from group
            if on_cluster:
                join(store.folder, store.take_moves())


def _groups(items: Iterable[Item]) -> Iterator[list[Item]]:
    source = iter(items)
    return iter(lambda: list(islice(source, AT_ONCE)), [])


def _compute(
    job: Job[Item], function: Callable[[Item], Computed[Result]], folder: Path
) -> list[tuple[Result, list[ArraySlice]]]:
    """Copy earlier arrays to their places in a store; compute a group and write it to a shard."""
    group, moves = job
    join(folder, moves)
    with Shard(folder) as shard:
        return [
            (result, [shard.append(array) for array in arrays])
            for result, arrays in map(function, group)
        ]
