"""Map a function over many items on a Dask cluster, with the same results as on this computer.

Imported only if SER_DASK_SCHEDULER is set: `distributed` takes half a second to import.
"""

import asyncio
import hashlib
import os
import pickle
import platform
import sys
from collections import deque
from collections.abc import Callable, Generator, Iterable, Mapping
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from itertools import count, islice
from pathlib import Path
from typing import Any

import cloudpickle
import dask
from distributed import Client, Future, KilledWorker, Security
from distributed.client import FutureCancelledError, FuturesCancelledError
from distributed.comm.core import connect

from ser.core.errors import UserError
from ser.parallel.local import ITEMS_AHEAD, Item, Result, limit_to_one_thread

PROJECT_PACKAGES = ("ser", "stages")
# Libraries that affect the bytes of a clip, of its features or of a trained net.
LIBRARIES = (
    "imbalanced-learn",
    "librosa",
    "numpy",
    "opensmile",
    "scikit-learn",
    "scipy",
    "soundfile",
    "soxr",
    "torch",
)
CONNECT_SECONDS = 10
WORKER_SECONDS = 30  # a worker that was killed restarts within seconds
_ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")


class CodeMismatchError(Exception):
    """A worker that joined later runs different code or different packages."""


def code_versions() -> dict[str, str]:
    """Return everything that results depend on besides the items.

    Returns:
        Python's minor version, the kind of processor, the versions of libraries, and a digest of
        each file of the project's packages as they are imported here.
    """
    versions = {"python": "{}.{}".format(*sys.version_info), "processor": platform.machine()}
    for library in LIBRARIES:
        try:
            versions[library] = version(library)
        except PackageNotFoundError:
            versions[library] = "missing"
    for package in PROJECT_PACKAGES:
        spec = find_spec(package)
        for folder in (spec and spec.submodule_search_locations) or ():
            for path in sorted(Path(folder).rglob("*.py")):
                name = f"{package}/{path.relative_to(folder).as_posix()}"
                versions[name] = hashlib.blake2b(path.read_bytes(), digest_size=8).hexdigest()
    return versions


# Computed on import: this process does not run code that is changed on disk later.
_OWN = code_versions()


def _own_code() -> dict[str, str]:
    return _OWN


def _digest(code: Mapping[str, str]) -> bytes:
    return hashlib.blake2b(repr(sorted(code.items())).encode(), digest_size=16).digest()


_OWN_DIGEST = _digest(_OWN)


def _call(code: bytes, payload: bytes) -> bytes:
    """Compute one item on a worker; the payload stays pickled until the code has been checked.

    Raises:
        CodeMismatchError: this worker's code differs from the caller's.
    """
    if code != _OWN_DIGEST:
        raise CodeMismatchError
    # For libraries loaded from here on; those already loaded are limited below.
    os.environ.update(_ONE_THREAD)
    function, item = pickle.loads(payload)  # noqa: S301 - Dask runs what its clients send
    limit_to_one_thread()
    result: bytes = cloudpickle.dumps(function(item))
    return result


def cluster_map(
    function: Callable[[Item], Result], items: Iterable[Item], address: str, size: int = 1
) -> Generator[Result, None, None]:
    """Yield `function(item)` for each item, in order, computed by a cluster's workers.

    A few items per worker thread are in progress at any time. If a worker dies, others compute its
    items again. If the caller stops early, the pending work is cancelled.

    Args:
        function: applied to each item; its prints go to the worker's log.
        items: read one by one.
        address: of the scheduler, such as tcp://192.168.0.1:8786.
        size: as for `ser.parallel.ordered_map`.

    Raises:
        UserError: the scheduler cannot be reached or is lost, it has no workers, their code or
            packages differ from those here, or an item kills its workers.
        Exception: whatever `function` or `items` raise, in place of that item's result.
    """
    quiet = {"distributed.admin.large-graph-warning-threshold": "1 TiB"}  # of large items
    with dask.config.set(quiet), _connect(address) as client:
        threads = _check_workers(client, address)

        def submit(item: Item) -> Future[bytes]:
            payload = cloudpickle.dumps((function, item))
            future: Future[bytes] = client.submit(_call, _OWN_DIGEST, payload, pure=False)
            return future

        source = iter(items)
        waiting: deque[Future[bytes]] = deque()
        for done in count(1):
            free = max(0, ITEMS_AHEAD * threads - len(waiting))
            waiting.extend(submit(item) for item in islice(source, free))
            if not waiting:
                return
            yield _wait_for_result(client, address, waiting.popleft(), 1 + (done - 1) * size)
            if done % (ITEMS_AHEAD * threads) == 0:  # workers come and go
                threads = max(1, sum(client.nthreads().values()))


async def _handshake(address: str) -> None:
    """Connect once with a timeout: with another kind of server, Dask's client would hang."""
    security = Security().get_connection_args("client")
    comm = await connect(address, timeout=CONNECT_SECONDS, **security)
    await comm.close()


def _connect(address: str) -> Client:
    try:
        asyncio.run(asyncio.wait_for(_handshake(address), CONNECT_SECONDS))
        return Client(address, timeout=CONNECT_SECONDS, set_as_default=False)
    except (OSError, ValueError, TypeError) as error:
        reason = str(error) or f"no answer within {CONNECT_SECONDS} s"
        raise UserError(
            f"SER_DASK_SCHEDULER={address!r}: no Dask scheduler answers there ({reason}); "
            "tcp://<host>:<port> is expected, as `dask scheduler` prints it. Start one, or unset "
            "the variable to work on this computer"
        ) from None


def _check_workers(client: Client, address: str) -> int:
    """Check that there are workers, and that all of them run the same code as this process.

    Returns:
        The number of their threads.

    Raises:
        UserError: there are no workers, or a worker's code differs.
    """
    try:
        client.wait_for_workers(1, timeout=WORKER_SECONDS)
    except TimeoutError:
        raise _no_workers(address) from None
    # A worker that cannot even import this module answers with the error.
    answers: dict[str, Any] = client.run(_own_code, on_error="return")
    for worker, answer in sorted(answers.items()):
        if isinstance(answer, ImportError):
            difference = f"it cannot import the project ({answer})"
        elif isinstance(answer, Exception):
            continue  # it has just died
        else:
            difference = _difference(answer)
        if difference:
            raise UserError(
                f"the Dask worker at {worker} would compute something else: {difference}. Restart "
                "every worker with the same environment, in the project's folder as it is "
                f"now: python -m dask worker {address}"
            )
    return sum(client.nthreads().values())


def _difference(theirs: Mapping[str, str]) -> str:
    """Describe how a worker's code differs from the code here; empty if it does not."""
    names = sorted(
        {*theirs, *_OWN} - {name for name in theirs if theirs[name] == _OWN.get(name)},
        key=lambda name: (name.endswith(".py"), name),
    )
    shown = [
        f"{name} is {theirs.get(name, 'missing')}, here {_OWN.get(name, 'missing')}"
        for name in names[:3]
    ]
    more = f", and {len(names) - 3} more" if len(names) > 3 else ""
    return "; ".join(shown) + more


def _wait_for_result(client: Client, address: str, future: Future[bytes], place: int) -> Any:  # noqa: ANN401
    """Return the result of an item, as soon as it is there."""
    try:
        while True:
            try:
                return pickle.loads(future.result(WORKER_SECONDS))  # noqa: S301 - our own worker's
            except TimeoutError:
                if future.status == "error":  # raised by the function
                    raise
                if not client.nthreads():
                    raise _no_workers(address) from None
    except (CodeMismatchError, ImportError):
        _check_workers(client, address)
        raise
    except KilledWorker as error:
        raise UserError(
            f"item {place} was with {error.allowed_failures + 1} Dask workers that died, the last "
            f"one at {error.last_worker.address}, most likely for lack of memory. See the workers' "
            "logs; give them more (--memory-limit), or fewer threads each (--nthreads 1)"
        ) from None
    except (FutureCancelledError, FuturesCancelledError) as error:
        raise UserError(
            f"the Dask scheduler at {address} was lost at item {place} ({error}): start it and its "
            "workers again, then run the same command"
        ) from None


def _no_workers(address: str) -> UserError:
    return UserError(
        f"the Dask scheduler at {address} has had no workers for {WORKER_SECONDS} s: start some in "
        f"the project's folder, python -m dask worker {address}"
    )
