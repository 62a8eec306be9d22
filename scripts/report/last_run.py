"""Read what the last run left in this workspace."""

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib import metadata
from typing import Any

from ruamel.yaml import YAML
from scipy.stats import binomtest

from scripts import tables
from scripts.importance import measuring
from scripts.stage_deps import is_code
from scripts.workspace import ROOT, dvc_json, read_file
from ser.core.errors import UserError
from ser.core.figures import SpeakerFigures, UnheardVoices
from ser.core.validation import check
from ser.nets.description import versions

_MISTAKE = ("clip", "speaker", "emotion", "predicted", "confidence")
_CONFUSION = ("actual", "predicted")


def changes_since_run() -> dict[str, list[str]]:
    """Find changes since the stages ran: with any, the files here do not belong to one run.

    Returns:
        stage -> sections of params, files and "its code"; missing files are left out.
    """
    found = {
        stage: list(dict.fromkeys(_changed(changes)))
        for stage, changes in sorted(dvc_json(ROOT, "status").items())
    }
    return {stage: names for stage, names in found.items() if names}


def _changed(changes: Sequence[Any]) -> Iterator[str]:
    for change in changes:
        if not isinstance(change, dict):
            yield str(change)  # such as: changed command
            continue
        for named in change.values():
            for name, state in named.items():
                if isinstance(state, dict):  # params.yaml -> its sections
                    yield from (f"{section} of {name}" for section in state)
                elif state in ("modified", "new"):
                    yield "its code" if is_code(name) else name


def require_output(path: str) -> None:
    """Check that a file is the one that a stage of the last run wrote.

    Raises:
        UserError: it is missing, or from another run; the text has no full stop.
    """
    if not (ROOT / path).exists():
        raise UserError(f"{path} is missing (`dvc repro` makes it, `dvc pull` fetches it)")
    lock = read_file(ROOT, "dvc.lock", YAML(typ="safe").load)
    written = {
        out["path"]: out["md5"]
        for stage in lock["stages"].values()
        for out in stage.get("outs", [])
    }
    content = (ROOT / path).read_bytes()
    if written.get(path) != hashlib.md5(content, usedforsecurity=False).hexdigest():
        raise UserError(f"{path} is from another run (`dvc repro` restores this run's)")


def accuracy_by_speaker(per_speaker: Mapping[str, SpeakerFigures]) -> list[dict[str, Any]]:
    """Compute the 95 % interval (Wilson, 1927) of each speaker's accuracy.

    Returns:
        For each speaker: name, n (number of test clips), share, low and high (0..1).
    """
    rows = []
    for name, figures in per_speaker.items():
        hits = round(figures.accuracy * figures.n)
        found = binomtest(hits, figures.n).proportion_ci(method="wilson")
        rows.append(
            {
                "name": name,
                "n": figures.n,
                "share": figures.accuracy,
                "low": found.low,
                "high": found.high,
            }
        )
    return rows


def importance_of_groups() -> list[dict[str, Any]] | str:
    """Measure which groups of features the model needs, or return why that is not possible.

    Returns:
        For each group: group, columns, fall, low and high, as `scripts.importance` measures
        them; none if there is no model, or if its features have no groups.
    """
    data = ROOT / "data"
    try:
        if _read_model(json.loads) is None or not measuring.has_groups(data):
            return []
        _, _, table = measuring.measure(data)
    except (UserError, LookupError) as error:
        return str(error)
    return [dict(row) for row in table.to_dict("records")]


def flat_params() -> dict[str, str]:
    """Read params.yaml as section.key -> value in JSON."""
    found: dict[str, str] = {}

    def walk(prefix: str, values: dict[str, Any]) -> None:
        for key, value in values.items():
            name = f"{prefix}.{key}" if prefix else str(key)
            if isinstance(value, dict) and value:
                walk(name, value)
            else:
                found[name] = json.dumps(value, ensure_ascii=False)

    walk("", read_file(ROOT, "params.yaml", YAML(typ="safe").load) or {})
    return found


def count_confusions(emotions: Sequence[str]) -> list[list[int]]:
    """Count the test clips by actual (rows) and predicted (columns) emotion."""
    pairs = [(row["actual"], row["predicted"]) for row in _rows("plots/confusion.csv", _CONFUSION)]
    counts = Counter(pairs)
    return [[counts[actual, predicted] for predicted in emotions] for actual in emotions]


def mistakes() -> list[dict[str, Any]] | str:
    """Read the most confident mistakes, or return why they are not available."""
    path = "data/mistakes.csv"
    try:
        require_output(path)
    except UserError as error:
        return str(error)
    rows = _rows(path, _MISTAKE)
    try:
        return [{**row, "confidence": float(row["confidence"])} for row in rows]
    except ValueError as error:
        raise UserError(f"{path} is damaged ({error}): `dvc repro` restores it") from None


def _rows(path: str, columns: Sequence[str]) -> list[dict[str, str]]:
    rows = tables.rows_of(path)
    if rows and not set(columns) <= set(rows[0]):
        raise UserError(
            f"{path} has the columns {', '.join(rows[0])}, expected are {', '.join(columns)}: "
            "`dvc repro` writes it again"
        )
    return rows


def unheard_voices() -> UnheardVoices | None:
    """Return how well such models recognise unheard voices; None if that is unknown.

    Raises:
        UserError: the model's description is damaged.
    """

    def parse_unheard(text: str) -> UnheardVoices | None:
        values = json.loads(text).get("unheard_voices")
        return None if values is None else check(UnheardVoices, values)

    unheard: UnheardVoices | None = _read_model(parse_unheard)
    return unheard


def versions_of_the_model() -> tuple[dict[str, str], str]:
    """Return the versions that trained the model if it is here, else ours, and which they are."""
    if described := _read_model(json.loads):
        return described.get("versions", {}), "that trained the model"
    ours = versions() | {name: metadata.version(name) for name in ("dvc", "scikit-learn")}
    return ours, "of the environment that wrote this page; the model is missing"


def _read_model(parse: Callable[[str], Any]) -> Any:  # noqa: ANN401 - what `parse` returns
    """Parse the model's description; None if there is no model."""
    described = "data/model/model.json"
    return read_file(ROOT, described, parse) if (ROOT / described).exists() else None
