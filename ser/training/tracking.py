"""Log a run to the MLflow server that SER_MLFLOW_URI names: params, curves, figures, model.

The server never stops a run or changes its results, and holds a stage up for a minute at most.
What is logged is sent by a thread, in order. The first error ends the logging, with a warning.
"""

import hashlib
import json
import logging
import os
import re
import sys
import textwrap
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from queue import SimpleQueue
from threading import Thread
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import urlsplit

from ser.core.errors import UserError
from ser.core.extras import needed_by
from ser.core.params import Params
from ser.core.web_address import check_web_address
from ser.nets.folder_files import DESCRIPTION
from ser.training.history import Epoch

if TYPE_CHECKING:
    from mlflow import MlflowClient

ADDRESS = "SER_MLFLOW_URI"
_CREDENTIALS = "MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD"
_SECRETS = ("MLFLOW_TRACKING_PASSWORD", "MLFLOW_TRACKING_TOKEN")
_PATIENCE = 60.0  # seconds that a stage waits at its end, until all is sent
_SHOWN = 300  # characters of an error
_PARAMS_AT_ONCE, _METRICS_AT_ONCE = 100, 1000  # that a server takes
_TRAINED = "ser.trained"  # tag: digest of the model that the training stored
# Set before MLflow is imported, whatever the user has set: it would report to its makers, and
# follow a server to other hosts, also with the parts of large files.
_ALWAYS = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_ALLOW_HTTP_REDIRECTS": "false",
    "MLFLOW_ENABLE_PROXY_MULTIPART_UPLOAD": "false",
}
# Set if the user has not.
_USUALLY = {
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",  # seconds
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
}


class Tracking:
    """The run on the server, to be used in a `with`; without SER_MLFLOW_URI, it does nothing.

    The training begins a run with its first epoch. The evaluation logs its results to that run and
    ends it.
    """

    def __init__(self, params: Params) -> None:
        self._params = params
        self._tasks: SimpleQueue[Callable[[MlflowClient], None] | None] = SimpleQueue()
        self._thread: Thread | None = None
        self._run = ""
        self._given_up = False
        self._logged: set[tuple[int, int]] = set()  # fold, epoch

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        if self._thread is None:
            return
        if kind is not None:
            self._end("FAILED" if issubclass(kind, Exception) else "KILLED")
        self._tasks.put(None)
        self._thread.join(_PATIENCE)
        if self._thread.is_alive():
            self._given_up = True
            _warn_ended(f"the server takes more than {_PATIENCE:g} s")

    @cached_property
    def _client(self) -> "MlflowClient | None":
        return _connect()

    def epochs(self, history: Sequence[Epoch]) -> None:
        """Log the epochs of a fold that are not logged yet."""
        new = [epoch for epoch in history if (epoch.fold, epoch.epoch) not in self._logged]
        self._logged |= {(epoch.fold, epoch.epoch) for epoch in new}
        self._send(self._log_epochs, new, _milliseconds())

    def trained(self, folder: Path) -> None:
        """Write into the run which model it has stored, so that `results` finds the run."""
        self._send(self._tag, _digest(folder))

    def results(
        self,
        trained: Path,
        history: Sequence[Epoch],
        figures: Mapping[str, float],
        pictures: Sequence[Path],
        model: Path,
    ) -> None:
        """Log the results of an evaluation to the run of the training.

        If no open run has this training and these params, because DVC took the training from its
        cache or the server was not there, a new run gets the epochs, too.

        Args:
            trained: folder of the model that was evaluated.
            history: all epochs of its training.
            figures: name -> value.
            pictures: image files.
            model: folder of the released model.
        """
        self._send(self._find_or_repeat, _digest(trained), history)
        self._send(self._log, [(*pair, 0) for pair in figures.items()], _milliseconds())
        self._send(self._upload, {"plots": pictures, "model": sorted(model.iterdir())})
        self._end("FINISHED")

    def _send(self, task: Callable[..., None], *values: object) -> None:
        if self._client is None:
            return
        if self._thread is None:
            # Not before: processes that train other folds have been forked by now.
            self._thread = Thread(target=self._work, args=(self._client,), daemon=True)
            self._thread.start()
        self._tasks.put(lambda client: task(client, *values))

    def _work(self, client: "MlflowClient") -> None:
        for task in iter(self._tasks.get, None):
            try:
                task(client)
            except Exception as error:  # whatever the package raises
                if not self._given_up:
                    _warn_ended(_describe(error))
                return

    def _end(self, status: str) -> None:
        self._send(lambda client: client.set_terminated(self._run, status))

    def _create(self, client: "MlflowClient") -> None:
        from mlflow.entities import Param

        name = os.environ.get("DVC_EXP_NAME") or self._params.model.name
        self._run = client.create_run(self._experiment(client), run_name=name).info.run_id
        params = [Param(*pair) for pair in flat(self._params)]
        for i in range(0, len(params), _PARAMS_AT_ONCE):
            client.log_batch(self._run, params=params[i : i + _PARAMS_AT_ONCE])

    def _experiment(self, client: "MlflowClient") -> str:
        from mlflow.exceptions import MlflowException

        name = os.environ.get("MLFLOW_EXPERIMENT_NAME") or "ser"
        found = client.get_experiment_by_name(name)
        if not found:
            try:
                return client.create_experiment(name)
            except MlflowException:
                found = client.get_experiment_by_name(name)  # another run has just made it
                if not found:
                    raise
        return found.experiment_id

    def _find_or_repeat(
        self, client: "MlflowClient", digest: str, history: Sequence[Epoch]
    ) -> None:
        wanted = f"attributes.status = 'RUNNING' and tags.`{_TRAINED}` = '{digest}'"
        found = client.search_runs([self._experiment(client)], wanted)
        same = [run.info.run_id for run in found if run.data.params == dict(flat(self._params))]
        if same:
            self._run = same[0]
        else:
            self._log_epochs(client, history, _milliseconds())
            self._tag(client, digest)

    def _tag(self, client: "MlflowClient", digest: str) -> None:
        client.set_tag(self._run, _TRAINED, digest)

    def _log_epochs(self, client: "MlflowClient", epochs: Sequence[Epoch], when: int) -> None:
        if not self._run:
            self._create(client)
        self._log(client, [(*pair, e.epoch) for e in epochs for pair in curves(e)], when)

    def _log(
        self, client: "MlflowClient", figures: Sequence[tuple[str, float, int]], when: int
    ) -> None:
        """Log figures: name, value, step."""
        from mlflow.entities import Metric

        metrics = [Metric(name, value, when, step) for name, value, step in figures]
        for i in range(0, len(metrics), _METRICS_AT_ONCE):
            client.log_batch(self._run, metrics[i : i + _METRICS_AT_ONCE])

    def _upload(self, client: "MlflowClient", files: Mapping[str, Sequence[Path]]) -> None:
        """Upload files, folder on the server -> files, if the named server itself keeps them."""
        from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

        place = client.get_run(self._run).info.artifact_uri
        if not is_of_server(place, client.tracking_uri):
            _warn(
                "pictures and model are not logged: they would not go to this server, but to "
                f"{_without_secrets(place)}; start it with `--artifacts-destination`"
            )
            return
        # Not by client.log_artifact, which would ask the server for the place once more.
        kept: Any = get_artifact_repository(place, client.tracking_uri)
        for folder, own in files.items():
            for file in own:
                kept.log_artifact(str(file), folder)


def flat(params: Params) -> Iterator[tuple[str, str]]:
    """Yield the params as MLflow has them: dotted names and texts."""
    yield from _flat(params.model_dump(mode="json"))


def _flat(values: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, str]]:
    for name, value in values.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{above}{name}.")
        else:
            yield f"{above}{name}", value if isinstance(value, str) else json.dumps(value)


def curves(epoch: Epoch) -> Iterator[tuple[str, float]]:
    """Yield the figures of an epoch, those of a fold below its name.

    >>> dict(curves(Epoch(1, 2, 0.5, None, 0.75, None)))
    {'fold_1/train_loss': 0.5, 'fold_1/train_accuracy': 0.75}
    """
    for name, value in epoch.figures():
        yield f"fold_{epoch.fold}/{name}", value


def is_of_server(place: str, server: str) -> bool:
    """Return whether files that go to a place go to the server of this address and no other one.

    Args:
        place: address of the files of a run, which the server chooses.
        server: its own address.

    >>> is_of_server("mlflow-artifacts:/1/files", "https://example.org")
    True
    >>> is_of_server("mlflow-artifacts://example.com/1", "https://example.org")
    False
    """
    files, own = urlsplit(place), urlsplit(server)
    if files.scheme == "mlflow-artifacts":
        return files.netloc in ("", own.netloc)
    return (files.scheme, files.netloc) == (own.scheme, own.netloc)


def _connect() -> "MlflowClient | None":
    """Return a client of the server that the user names, without a request to it; None: of none."""
    address = os.environ.get(ADDRESS)
    if not address:
        return None
    os.environ.update(_ALWAYS)
    for name, value in _USUALLY.items():
        os.environ.setdefault(name, value)
    logging.getLogger("urllib3").setLevel(logging.ERROR)  # it would warn of every further try
    try:
        check_web_address(address, _CREDENTIALS)
        _check_credentials()
        with needed_by("it"):
            from mlflow import MlflowClient
    except UserError as error:
        _warn_ended(str(error))
        return None
    return MlflowClient(address)


def _check_credentials() -> None:
    """Check that name, password and token can be sent.

    Raises:
        UserError: one has a control character. Errors of requests would show it.
    """
    for name in ("MLFLOW_TRACKING_USERNAME", *_SECRETS):
        if re.search(r"[\x00-\x1f\x7f]", os.environ.get(name, "")):
            raise UserError(
                f"{name} has a line end or another control character: set it without one"
            )


def _digest(folder: Path) -> str:
    """Return a digest of the description of a stored model."""
    return hashlib.sha256((folder / DESCRIPTION).read_bytes()).hexdigest()


def _milliseconds() -> int:
    return time.time_ns() // 1_000_000


def _warn_ended(reason: str) -> None:
    _warn(f"nothing more is logged to MLflow, and the run goes on: {reason}")


def _warn(text: str) -> None:
    print(f"warning: {ADDRESS}: {text}", file=sys.stderr, flush=True)


def _without_secrets(address: str) -> str:
    parts = urlsplit(address)
    host = parts.netloc.rpartition("@")[2]
    return parts._replace(netloc=host, query="").geturl()[:_SHOWN]


def _describe(error: BaseException) -> str:
    """Return what an error says, and what can be done about it, without secrets."""
    while error.__context__ is not None:
        error = error.__context__  # those above it say the same in more words
    text = f"{type(error).__name__}: {error}"
    for name in _SECRETS:
        if secret := os.environ.get(name):
            text = text.replace(secret, "***")
    return (
        f"{textwrap.shorten(text, _SHOWN)}; check the server and its address, and {_CREDENTIALS}, "
        "which some servers need"
    )
