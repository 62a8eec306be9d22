"""Named experiments: experiments/<name>.yaml, run through `dvc exp run` under that name."""

import json
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from threading import Lock
from typing import Any, NamedTuple

from scripts import cli
from scripts.workspace import ROOT, dvc, dvc_command, dvc_environment, git
from ser.core import params
from ser.core.errors import UserError
from ser.core.yaml_reader import read_yaml

FOLDER = ROOT / "experiments"
CHECKPOINTS = ROOT / ".checkpoints"

Changes = dict[str, Any]
_STAGE = re.compile(r"^(Running stage|Stage) '\w+'")  # begins, or is passed over
_EPOCH = re.compile(r"^fold \d+/\d+ epoch \d+/\d+: .*\((\d+\.\d+) s\)$")


class Training(NamedTuple):
    """How long a training took, apart from what it had done before it was stopped."""

    seconds: float  # of the stage train, its start-up included
    seconds_per_epoch: float | None  # the median; None where its log is elsewhere


def names() -> list[str]:
    """List the experiments there are."""
    return sorted(path.stem for path in FOLDER.glob("*.yaml"))


def read(name: str, more: Changes | None = None) -> Changes:
    """Read experiments/<name>.yaml: the params that differ from params.yaml.

    A file may name another with `extends`, from whose params it differs.

    Args:
        name: of the file.
        more: params that differ from the file's.

    Raises:
        UserError: there is no such experiment, or params.yaml with its changes would not be valid.
    """
    changes = merge(read_file(name), more or {})
    check(changes, f"experiments/{name}.yaml")
    return changes


def check(changes: Changes, source: str) -> params.Params:
    """Check params.yaml with changes.

    Raises:
        UserError: it is not valid; the text says whether without the changes of `source` it is.
    """
    params.load(ROOT / "params.yaml")
    return params.parse(resolve(changes), f"params.yaml with {source}")


def with_emobox(changes: Changes, folder: Path | None) -> Changes:
    """Add the folder of EmoBox's lists where the split is made of them.

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
    """Give all params: those of params.yaml with the changes."""
    return merge(read_yaml((ROOT / "params.yaml").read_bytes(), "params.yaml"), changes)


def read_file(name: str, *extended_by: str) -> Changes:
    """Read what experiments/<name>.yaml and those that it extends change, unchecked as a whole."""
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
    """Replace values by changes, key by key at every depth."""
    merged = dict(values)
    for key, change in changes.items():
        old = merged.get(key)
        if isinstance(change, Mapping) and isinstance(old, Mapping):
            merged[key] = merge(old, change)
        else:
            merged[key] = change
    return merged


def flatten(changes: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield (dotted key, value) of every change."""
    for key, value in changes.items():
        if isinstance(value, Mapping):
            yield from flatten(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def run(
    name: str,
    changes: Changes,
    target: str = "",
    checkpoints: Path = CHECKPOINTS,
) -> Training | None:
    """Run the pipeline with some params as the DVC experiment `name` of the current commit.

    It runs in a folder of its own, so the workspace stays as it is. An experiment of that name is
    replaced, unless this one fails; what is finished comes from DVC's cache, a training that was
    stopped goes on.

    Args:
        name: of the experiment.
        changes: the params that differ.
        target: stage to stop at; all stages if empty.
        checkpoints: folder of unfinished trainings.

    Returns:
        How long the training took; None where nothing was trained.

    Raises:
        UserError: a stage failed; its own message was among the lines.
    """
    former = git(ROOT, "for-each-ref", "--format=%(objectname)", reference(name)).strip()
    if former:
        git(ROOT, "update-ref", "-d", reference(name))
    log = []
    try:
        for line in _run_dvc(ROOT, name, changes, [target] if target else [], checkpoints, {}):
            print(line, end="", flush=True)
            log.append((time.monotonic(), line.strip()))
    except UserError:
        if former:
            git(ROOT, "update-ref", reference(name), former)
        raise
    return time_training(log)


def time_training(log: Sequence[tuple[float, str]]) -> Training | None:
    """Compute how long the training of a run took from its lines; None where there was none.

    Args:
        log: (seconds on any clock, line) of all lines.
    """
    began = next((when for when, line in log if line.startswith("Running stage 'train'")), None)
    if began is None:
        return None
    next_stage = (when for when, line in log if when > began and _STAGE.match(line))
    epochs = [float(match[1]) for _, line in log if (match := _EPOCH.match(line))]
    return Training(next(next_stage, log[-1][0]) - began, median(epochs) if epochs else None)


def run_beside(name: str, changes: Changes, workers: int, *targets: str) -> None:
    """Run a DVC experiment as `run` does, where others of this project run at the same time.

    DVC hands experiments over to their runs by one queue per repository, from which a run takes
    the newest: two that start at once may get each other's, or one twice. A clone has a queue
    and locks of its own; DVC's cache, which it shares with the project, is made to be shared.

    Args:
        name: of the experiment; its lines begin with it.
        changes: the params that differ.
        workers: local processes that it may use.
        targets: stages to stop at; what they made stays in DVC's cache, and there is no experiment.

    Raises:
        UserError: a stage failed; its own message was among the lines.
    """
    # One thread each, however many run at once: it decides about the rounding, so about figures.
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
    """Run an experiment of the project, or the clone of it, in `root`; yield what it prints."""
    # ++ also sets keys of mappings that may have any: pull.sources, clean.relabel.
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


_CLONING = Lock()  # git allows one at a time to look at the working tree


@contextmanager
def _clone() -> Iterator[Path]:
    """Give a clone of the project as it is now, with the project's DVC cache; remove it after."""
    parent = ROOT / ".dvc/tmp/exps/standalone"  # where `dvc exp run --temp` has its folders
    parent.mkdir(parents=True, exist_ok=True)
    identity = ("-c", "user.name=ser", "-c", "user.email=ser@localhost")
    with TemporaryDirectory(prefix="clone-", dir=parent, ignore_cleanup_errors=True) as name:
        folder = Path(name)
        with _CLONING:
            # It borrows the project's objects, those of uncommitted changes among them.
            git(ROOT, "clone", "--quiet", "--shared", str(ROOT), name)
            if changed := git(ROOT, *identity, "stash", "create").strip():
                git(ROOT, "-C", name, *identity, "stash", "apply", "--quiet", changed)
        settings = ROOT / ".dvc/config.local"
        if settings.exists():
            shutil.copyfile(settings, folder / ".dvc/config.local")
        cache = dvc(ROOT, "cache", "dir", check=True, stdout=subprocess.PIPE).stdout.strip()
        dvc(folder, "config", "--quiet", "--local", "cache.dir", cache, check=True)
        yield folder


def head() -> str:
    """Name the current commit."""
    return git(ROOT, "rev-parse", "HEAD").strip()


def reference(name: str) -> str:
    """Name the git ref of an experiment of the current commit."""
    commit = head()
    return f"refs/exps/{commit[:2]}/{commit[2:]}/{name}"


def exists(name: str) -> bool:
    """Tell whether the current commit has an experiment."""
    return bool(git(ROOT, "for-each-ref", reference(name)))


def read_result(name: str, path: str) -> str:
    """Read a file that git keeps from an experiment of the current commit."""
    return git(ROOT, "show", f"{reference(name)}:{path}")


def read_data(name: str, path: str) -> str:
    """Read a text file that DVC keeps from an experiment of the current commit."""
    # Takes a second to import, which those who only run an experiment need not wait for.
    import dvc.api

    text: str = dvc.api.read(path, repo=str(ROOT), rev=reference(name))
    return text


def read_metrics(name: str, metrics: str) -> dict[str, Any]:
    """Read metrics/<metrics>.json of an experiment of the current commit."""
    values: dict[str, Any] = json.loads(read_result(name, f"metrics/{metrics}.json"))
    return values


def read_params(name: str) -> dict[str, Any]:
    """Read the params that an experiment of the current commit ran with."""
    text = read_result(name, "params.yaml")
    values: dict[str, Any] = read_yaml(text, f"params.yaml of {name}")
    return values


def _git_identity() -> dict[str, str]:
    """Name a committer where git knows none: `dvc exp run` makes commits."""
    known = subprocess.run(["git", "var", "GIT_COMMITTER_IDENT"], cwd=ROOT, capture_output=True)
    if known.returncode == 0:
        return {}
    return {
        f"GIT_{role}_{key}": value
        for role in ("AUTHOR", "COMMITTER")
        for key, value in (("NAME", "ser"), ("EMAIL", "ser@localhost"))
    }


def parse_settings(settings: Sequence[str]) -> Changes:
    """Turn `split.emobox=/a/folder` and the like into changes of params.

    Raises:
        UserError: one has no `=`, or its value is no YAML.
    """
    changes: Changes = {}
    for setting in settings:
        key, equals, text = setting.partition("=")
        if not equals:
            raise UserError(f"{setting!r}: <key>=<value> expected, such as model.seed=1")
        changes = set_key(changes, key, read_yaml(text, f"the value of {setting!r}"))
    return changes


def set_key(changes: Changes, key: str, value: Any) -> Changes:  # noqa: ANN401 - any YAML value
    """Add the change of one dotted key, such as model.seed."""
    for part in reversed(key.split(".")):
        value = {part: value}
    return merge(changes, value)


def main(name: str = "", *settings: str) -> None:
    """Run one experiment and show its figures."""
    run(name, read(name, parse_settings(settings)))
    for metrics in ("train", "evaluate"):
        for key, value in read_metrics(name, metrics).items():
            if isinstance(value, int | float) and not isinstance(value, bool):
                print(f"  {key}: {value:g}")
    print(
        f"Experiment {name} stands in `dvc exp show`; `dvc exp apply {name}` brings its params, "
        "model, metrics and plots into the workspace."
    )


if __name__ == "__main__":
    cli.run(lambda: main(*sys.argv[1:]), cli.RESUMES)
