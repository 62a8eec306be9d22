"""Run named experiments, experiments/<name>.yaml, as DVC experiments of the same names."""

import hashlib
import json
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from threading import Lock
from typing import Any, NamedTuple

from scripts import cli
from scripts.workspace import IDENTITY, ROOT, dvc, dvc_command, dvc_environment, git
from ser.core import params
from ser.core.errors import UserError
from ser.core.tables import parse_report, write_json
from ser.core.yaml_reader import read_yaml

FOLDER = ROOT / "experiments"
CHECKPOINTS = ROOT / ".checkpoints"
SECONDS = CHECKPOINTS / "seconds.json"

Changes = dict[str, Any]
_STAGE = re.compile(r"^(Running stage|Stage) '\w+'")  # begins, or is skipped
_EPOCH = re.compile(r"^fold (\d+)/\d+ epoch \d+/\d+: .*; (\d+\.\d+) s per epoch\b")
_NOT_IN_A_REF = re.compile(r"[^\w.-]+|\.{2,}|\.(?:lock)?$", re.ASCII)
_LONGEST_NAME = 60  # of an experiment, without its digest


class Training(NamedTuple):
    """How long a training took in its last run, without any work before it was stopped."""

    seconds: float  # of the stage train, including its start-up
    seconds_per_epoch: float | None  # median of the folds' medians; None: the log has no epochs


def names() -> list[str]:
    """Return the names of all experiments, sorted."""
    return sorted(path.stem for path in FOLDER.glob("*.yaml"))


def read_experiment(name: str, more: Changes | None = None) -> Changes:
    """Read experiments/<name>.yaml: the params that differ from params.yaml.

    With `extends`, a file lists the differences from another experiment's params.

    Args:
        name: of the file.
        more: params that differ from the file's.

    Raises:
        UserError: there is no such experiment, or params.yaml with its changes would not be valid.
    """
    changes = merge(read_file(name), more or {})
    check_changes(changes, f"experiments/{name}.yaml")
    return changes


def check_changes(changes: Changes, source: str) -> params.Params:
    """Check params.yaml with changes.

    Raises:
        UserError: it is not valid; the message names params.yaml, or also `source` if the changes
            are the cause.
    """
    params.load(ROOT / "params.yaml")
    return params.parse_params(resolve(changes), f"params.yaml with {source}")


def with_emobox(changes: Changes, folder: Path | None) -> Changes:
    """Add the folder of EmoBox's lists if the split needs them.

    Raises:
        UserError: they are needed and not given.
    """
    if dict(flatten(resolve(changes))).get("split.scheme") != "emobox":
        return changes
    if folder is None:
        raise UserError(
            "split.scheme emobox needs EmoBox's lists: git clone "
            "https://github.com/emo-box/EmoBox, then EMOBOX=<its folder data>"
        )
    return set_key(changes, "split.emobox", str(folder.resolve()))


def resolve(changes: Changes) -> dict[str, Any]:
    """Return all params: those of params.yaml with the changes."""
    return merge(read_yaml((ROOT / "params.yaml").read_bytes(), "params.yaml"), changes)


def read_file(name: str, *extended_by: str) -> Changes:
    """Read the changes of experiments/<name>.yaml and those that it extends, without a check."""
    path = FOLDER / f"{name}.yaml"
    if name not in names():
        raise UserError(f"no experiment {name!r}: expected one of {', '.join(names())}")
    if name in extended_by:
        raise UserError(f"{path} extends itself: {' -> '.join((*extended_by, name))}")
    try:
        text = path.read_bytes()
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}") from None
    changes: Any = read_yaml(text, str(path)) or {}
    if not isinstance(changes, dict):
        raise UserError(f"{path}: sections of params.yaml expected, such as model: {{epochs: 10}}")
    if "extends" not in changes:
        return changes
    return merge(read_file(changes.pop("extends"), *extended_by, name), changes)


def merge(values: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Return values with changes applied, key by key at every depth.

    >>> merge({"model": {"epochs": 9, "seed": 0}}, {"model": {"seed": 7}})
    {'model': {'epochs': 9, 'seed': 7}}
    """
    merged = dict(values)
    for key, change in changes.items():
        old = merged.get(key)
        if isinstance(change, Mapping) and isinstance(old, Mapping):
            merged[key] = merge(old, change)
        else:
            merged[key] = change
    return merged


def flatten(changes: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield (dotted key, value) of every change.

    >>> list(flatten({"model": {"epochs": 10, "seed": 7}}))
    [('model.epochs', 10), ('model.seed', 7)]
    """
    for key, value in changes.items():
        if isinstance(value, Mapping):
            yield from flatten(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def print_now(text: str) -> None:
    """Print a text that has its own line end, at once."""
    print(text, end="", flush=True)


def run_experiment(
    name: str,
    changes: Changes,
    target: str = "",
    checkpoints: Path = CHECKPOINTS,
    show: Callable[[str], None] = print_now,
) -> Training | None:
    """Run the pipeline with changed params as the DVC experiment `name` of the current commit.

    It runs in a temporary folder, so the workspace does not change. An experiment of the same name
    is replaced unless this one fails. Finished stages come from DVC's cache, and a stopped training
    continues.

    Args:
        name: of the experiment.
        changes: the params that differ.
        target: stage to stop at; all stages if empty.
        checkpoints: folder of unfinished trainings.
        show: called with each line of the run's output.

    Returns:
        How long the training took; None if nothing was trained.

    Raises:
        UserError: a stage failed; its message is in the output.
    """
    former = git(ROOT, "for-each-ref", "--format=%(objectname)", reference(name)).strip()
    if former:
        git(ROOT, "update-ref", "-d", reference(name))
    log = []
    try:
        for line in _run_dvc(ROOT, name, changes, [target] if target else [], checkpoints, {}):
            show(line)
            log.append((time.monotonic(), line.strip()))
    except UserError:
        if former:
            git(ROOT, "update-ref", reference(name), former)
        raise
    training = time_training(log)
    if training is not None and not target:
        commit = git(ROOT, "rev-parse", reference(name)).strip()
        write_json(SECONDS, read_seconds() | {commit: training.seconds})
    return training


def read_seconds() -> dict[str, float]:
    """Read how long trainings took: commit of the experiment -> seconds, if known."""
    try:
        return dict(json.loads(SECONDS.read_bytes()))
    except (OSError, ValueError, TypeError):  # never written, or damaged: a convenience only
        return {}


def time_training(log: Sequence[tuple[float, str]]) -> Training | None:
    """Compute from a run's output how long its training took; None: nothing was trained.

    >>> log = [(0, "Running stage 'train':"), (9, "fold 1/1 epoch 1/1: ...; 2.5 s per epoch")]
    >>> time_training([*log, (11, "Running stage 'evaluate':")])
    Training(seconds=11, seconds_per_epoch=2.5)

    Args:
        log: (time in seconds, line) of all lines.
    """
    began = next((when for when, line in log if line.startswith("Running stage 'train'")), None)
    if began is None:
        return None
    next_stage = (when for when, line in log if when > began and _STAGE.match(line))
    # The last line of a fold has the median of all its epochs.
    paces = {match[1]: float(match[2]) for _, line in log if (match := _EPOCH.match(line))}
    pace = median(paces.values()) if paces else None
    return Training(next(next_stage, log[-1][0]) - began, pace)


def run_in_clone(name: str, changes: Changes, workers: int, *targets: str) -> None:
    """Run a DVC experiment like `run_experiment`, but safely while other experiments run.

    DVC passes experiments to their runs through one queue per repository, and a run takes the
    newest: two that start at once may take each other's, or both the same. A clone has its own
    queue and locks; DVC's cache, which it shares with the project, is safe to share.

    Args:
        name: of the experiment; its output lines begin with it.
        changes: the params that differ.
        workers: local processes that it may use.
        targets: stages to stop at; then their results stay in DVC's cache, but no experiment is
            stored.

    Raises:
        UserError: a stage failed; its message is in the output.
    """
    # Always one thread, because the number of threads changes the rounding, and so the figures.
    environment = {"SER_WORKERS": str(workers), "OMP_NUM_THREADS": "1"}
    with _clone() as folder:
        for line in _run_dvc(folder, name, changes, targets, CHECKPOINTS, environment):
            print(f"{name}: {line}", end="", flush=True)
        if not targets:
            ref = reference(name)
            options = ("--quiet", "--no-auto-gc", "--no-write-fetch-head")
            git(ROOT, "fetch", *options, str(folder), f"+{ref}:{ref}")


def _run_dvc(
    root: Path,
    name: str,
    changes: Changes,
    targets: Sequence[str],
    checkpoints: Path,
    environment: Mapping[str, str],
) -> Iterator[str]:
    """Run an experiment in `root`, the project or a clone of it; yield the lines of its output."""
    changes = _with_whole_path(changes)
    # ++ can also add keys to the mappings with free keys, such as clean.relabel.
    settings = [
        f"--set-param=++{key}={json.dumps(value, ensure_ascii=False)}"
        for key, value in flatten(changes)
    ]
    with subprocess.Popen(
        dvc_command("exp", "run", "--temp", "--name", name, *settings, *targets),
        cwd=root,
        env={
            **dvc_environment(),
            **_git_identity(),
            "SER_CHECKPOINTS": str(checkpoints),
            **environment,
        },
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    ) as process:
        yield from process.stdout or ()
    if process.returncode:
        raise UserError(f"experiment {name} failed: see above")


def _with_whole_path(changes: Changes) -> Changes:
    """Return changes with the whole path of an encoder's folder in the project.

    Experiments run in a copy of what git and DVC keep, where such a folder is missing.
    """
    encoder = dict(flatten(changes)).get("features.encoder")
    if not encoder or not (ROOT / encoder).is_dir():
        return changes
    return set_key(changes, "features.encoder", str((ROOT / encoder).resolve()))


_CLONING = Lock()  # git allows only one process at a time to stash the working tree


@contextmanager
def _clone() -> Iterator[Path]:
    """Make a clone of the working tree that shares the DVC cache; remove it afterwards."""
    parent = ROOT / ".dvc/tmp/exps/standalone"  # where `dvc exp run --temp` makes its folders
    parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix="clone-", dir=parent, ignore_cleanup_errors=True) as name:
        folder = Path(name)
        with _CLONING:
            # The clone shares the project's git objects, including those of uncommitted changes.
            git(ROOT, "clone", "--quiet", "--shared", str(ROOT), name)
            if changed := git(ROOT, *IDENTITY, "stash", "create").strip():
                git(ROOT, "-C", name, *IDENTITY, "stash", "apply", "--quiet", changed)
        settings = ROOT / ".dvc/config.local"
        if settings.exists():
            shutil.copyfile(settings, folder / ".dvc/config.local")
        cache = dvc(ROOT, "cache", "dir", check=True, stdout=subprocess.PIPE).stdout.strip()
        dvc(folder, "config", "--quiet", "--local", "cache.dir", cache, check=True)
        yield folder


def head() -> str:
    """Return the hash of the current commit."""
    return git(ROOT, "rev-parse", "HEAD").strip()


def reference(name: str) -> str:
    """Return the git ref of an experiment of the current commit."""
    commit = head()
    return f"refs/exps/{commit[:2]}/{commit[2:]}/{name}"


def stored_names() -> list[str]:
    """Return the names of all experiments of the current commit, sorted."""
    listed = git(ROOT, "for-each-ref", "--format=%(refname:lstrip=4)", reference(""))
    return sorted(listed.split())


def exists(name: str) -> bool:
    """Return whether the current commit has an experiment."""
    return bool(git(ROOT, "for-each-ref", reference(name)))


def read_result(name: str, path: str) -> str:
    """Read a file of an experiment of the current commit from git."""
    return git(ROOT, "show", f"{reference(name)}:{path}")


def read_data(name: str, path: str) -> str:
    """Read a text file of an experiment of the current commit from DVC."""
    # Imported here, because it takes a second and running an experiment does not need it.
    import dvc.api

    text: str = dvc.api.read(path, repo=str(ROOT), rev=reference(name))
    return text


def fetch_data(name: str, path: str, target: Path) -> None:
    """Copy a file or folder of an experiment of the current commit from DVC.

    Raises:
        UserError: the experiment was removed, or its data from DVC's cache.
    """
    from dvc.api import DVCFileSystem
    from dvc.exceptions import DvcException

    try:
        files = DVCFileSystem(repo=str(ROOT), rev=reference(name))
        files.get(path, str(target), recursive=True)
    except (DvcException, OSError) as error:
        raise UserError(f"{path} of experiment {name} is no longer here ({error})") from None


def read_metrics(name: str, metrics: str) -> dict[str, Any]:
    """Read metrics/<metrics>.json of an experiment of the current commit."""
    values: dict[str, Any] = parse_report(read_result(name, f"metrics/{metrics}.json"))
    return values


def read_params(name: str) -> dict[str, Any]:
    """Read the params that an experiment of the current commit ran with."""
    text = read_result(name, "params.yaml")
    values: dict[str, Any] = read_yaml(text, f"params.yaml of {name}")
    return values


def _git_identity() -> dict[str, str]:
    """Return variables that set a committer if git has none, because `dvc exp run` commits."""
    known = subprocess.run(["git", "var", "GIT_COMMITTER_IDENT"], cwd=ROOT, capture_output=True)
    if known.returncode == 0:
        return {}
    return {
        f"GIT_{role}_{key}": value
        for role in ("AUTHOR", "COMMITTER")
        for key, value in (("NAME", "ser"), ("EMAIL", "ser@localhost"))
    }


def parse_settings(settings: Sequence[str]) -> Changes:
    """Convert settings such as `split.emobox=/a/folder` to changes of params.

    >>> parse_settings(["model.epochs=10", "split.scheme=kfold"])
    {'model': {'epochs': 10}, 'split': {'scheme': 'kfold'}}

    Raises:
        UserError: a setting has no `=`, or its value is not valid YAML.
    """
    changes: Changes = {}
    for setting in settings:
        key, equals, text = setting.partition("=")
        if not equals:
            raise UserError(f"{setting!r}: <key>=<value> expected, such as model.seed=1")
        changes = set_key(changes, key, read_yaml(text, f"the value of {setting!r}"))
    return changes


def set_key(changes: Changes, key: str, value: Any) -> Changes:  # noqa: ANN401 - any YAML value
    """Return changes with one more, of a dotted key such as model.seed."""
    for part in reversed(key.split(".")):
        value = {part: value}
    return merge(changes, value)


def experiment_name(name: str, settings: Changes) -> str:
    """Return the name under which DVC stores an experiment with further settings.

    It is a valid git ref, and another one for other settings, so that no experiment takes the place
    of another. What git does not allow, and what is too long, is replaced by a digest of the whole.

    >>> experiment_name("loso", {"model": {"seed": 1}})
    'loso-model.seed-1'
    >>> experiment_name("emobox", {"split": {"emobox": "/EmoBox/data"}})
    'emobox-split.emobox--EmoBox-data-2ccaf7ed'
    """
    texts = (
        f"-{key}-{value if isinstance(value, str) else json.dumps(value)}"
        for key, value in sorted(flatten(settings))
    )
    whole = name + "".join(texts)
    plain = _NOT_IN_A_REF.sub("-", whole)
    if plain == whole and len(whole) <= _LONGEST_NAME:
        return whole
    digest = hashlib.blake2b(whole.encode(), digest_size=4).hexdigest()
    return f"{plain[:_LONGEST_NAME]}-{digest}"


def main(name: str = "", *settings: str) -> None:
    """Run one experiment and print its figures."""
    more = parse_settings(settings)
    changes = read_experiment(name, more)
    name = experiment_name(name, more)
    run_experiment(name, changes)
    for key, value in read_metrics(name, "headline").items():
        print(f"  {key}: {value:g}")
    print(
        f"`make table` lists experiment {name}; `dvc exp apply {name}` copies its params, model, "
        "metrics and plots to the workspace."
    )


if __name__ == "__main__":
    cli.run_script(lambda: main(*sys.argv[1:]), cli.RESUMES)
