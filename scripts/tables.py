"""The tables of README.md and docs/, made from metrics/, benchmarks/ and experiments/."""

import csv
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from statistics import fmean, stdev
from typing import Any

import pandas as pd
from ruamel.yaml import YAML

from scripts import gpu_results, scaling
from scripts.paired import compare_all, same_clips
from scripts.suites import lists
from scripts.workspace import ROOT, read_file
from ser.core.figures import Baseline, Figures
from ser.core.tables import parse_report
from ser.evaluation.card import markdown_table as table

Row = Mapping[str, Any]
Columns = Mapping[str, str | Callable[[Row], str]]  # head -> format string or function of a row

NOT_RUN = "not run"
SCHEMES = {  # the other schemes go by their names
    "kfold": "{folds}-fold",
    "leave_one_speaker_out": "leave one of {folds} speakers out",
}


def load_metrics(name: str) -> dict[str, Any]:
    """Read metrics/<name>.json.

    Raises:
        UserError: it is not JSON, such as after a merge with conflicts.
    """
    values: dict[str, Any] = read_file(ROOT, f"metrics/{name}.json", parse_report)
    return values


def load_figures() -> Figures:
    """Read metrics/evaluate.json.

    Raises:
        UserError: it is missing or damaged; the text has the key.
    """
    figures: Figures = read_file(ROOT, "metrics/evaluate.json", Figures.from_json)
    return figures


def rows_of(path: str) -> list[dict[str, str]]:
    """Read a csv file below the project's folder.

    Raises:
        UserError: it is missing or not text.
    """
    rows: list[dict[str, str]] = read_file(
        ROOT, path, lambda text: list(csv.DictReader(text.splitlines(keepends=True)))
    )
    return rows


def percent(share: float) -> str:
    """Format a share of 1 in percent with one decimal."""
    return f"{share * 100:.1f} %"


def interval(low_high: Sequence[float]) -> str:
    """Format an interval in percent."""
    return f"{low_high[0] * 100:.1f} to {low_high[1] * 100:.1f}"


def duration(seconds: float) -> str:
    """Format a time with three digits."""
    return f"{seconds:.3g} s" if seconds >= 1 else f"{seconds * 1000:.3g} ms"


def numbers(row: Mapping[str, str]) -> dict[str, Any]:
    """Convert the cells of a csv row that are numbers to int or float."""
    return {key: _number(text) for key, text in row.items()}


def _number(text: str) -> int | float | str:
    for convert in (int, float):
        try:
            return convert(text)
        except ValueError:
            continue
    return text


def in_columns(rows: Iterable[Row], columns: Columns) -> str:
    """Make a table with one line per row."""
    cells = [
        tuple(c.format(**row) if isinstance(c, str) else c(row) for c in columns.values())
        for row in rows
    ]
    return table(tuple(columns), cells)


def from_csv(path: str, columns: Columns, keep: Callable[[Row], bool] = bool) -> str:
    """Make a table of the rows of a csv file that are to be kept."""
    return in_columns(filter(keep, map(numbers, rows_of(path))), columns)


# Accuracy


def headline() -> str:
    """Compare the main results with logistic regression and with published figures."""
    figures = load_figures()
    random = (
        f"random split, one training; {figures.n_test} clips",
        "**this project**",
        f"**{percent(figures.accuracy)}** ({interval(figures.accuracy_interval)})",
        percent(figures.uar),
        percent(figures.baseline.accuracy) if figures.baseline else "",
        "`dvc repro`",
    )
    rows = [random, *_published("default")]
    measured = load_metrics("protocols")
    for name, entry in lists.read_suite("protocols").entries.items():
        accuracy, uar, clips = _over_seeds(measured.get(name))
        plain = _baseline(measured.get(name))
        rows.append(
            (
                f"{entry.description}; {clips} clips",
                "**this project**",
                accuracy,
                uar,
                percent(plain.accuracy) if plain else "",
                f"`make protocols NAMES={name}`",
            )
        )
        rows += _published(name)
    head = ("tested on", "system", "accuracy (95 % interval)", "UAR", "logistic regression")
    return table((*head, "source"), rows)


def _over_seeds(measured: Row | None) -> tuple[str, str, str]:
    """Format accuracy, UAR and the number of test clips of a protocol, None: not run."""
    if measured is None:
        return NOT_RUN, "", "0"
    accuracy, uar = measured["accuracy"], measured["uar"]
    low_high = interval((accuracy["low"], accuracy["high"]))
    return (
        f"**{percent(accuracy['mean'])}** ± {accuracy['std'] * 100:.1f} ({low_high})",
        f"{percent(uar['mean'])} ± {uar['std'] * 100:.1f}",
        str(measured["clips"]),
    )


def _baseline(measured: Row | None) -> Baseline | None:
    found = (measured or {}).get("baseline")
    return Baseline.model_validate(found) if found else None


def _published(experiment: str) -> list[tuple[str, ...]]:
    """Make the headline's rows of the published figures beside an experiment's."""
    return [
        (
            row["protocol"],
            row["system"],
            row["accuracy"],
            "",
            "",
            f"[{row['source']}]({row['url']})",
        )
        for row in rows_of("benchmarks/published.csv")
        if row["experiment"] == experiment
    ]


def protocols() -> str:
    """List the protocols' figures, logistic regression's UAR too, and the size of the net."""
    measured = load_metrics("protocols")
    rows = []
    for name in lists.read_suite("protocols").entries:
        accuracy, uar, clips = _over_seeds(measured.get(name))
        plain = _baseline(measured.get(name))
        regression = f"{percent(plain.accuracy)}, UAR {percent(plain.uar)}" if plain else ""
        parameters = measured.get(name, {}).get("parameters", 0)
        rows.append((f"`{name}`", accuracy, uar, regression, clips, f"{parameters:,}"))
    head = ("experiment", "accuracy (95 % interval)", "UAR", "logistic regression")
    return table((*head, "test clips", "parameters of the net"), rows)


def results() -> str:
    """Compare the committed run with logistic regression and the commonest emotion."""
    e, train, sizes = load_figures(), load_metrics("train"), load_metrics("split")["clips_per_fold"]
    rows = [
        (
            f"**this project**, {train['parameters']:,} parameters",
            f"**{percent(e.accuracy)}** ({interval(e.accuracy_interval)})",
            f"{percent(e.uar)} ({interval(e.uar_interval)})",
        )
    ]
    if plain := e.baseline:
        name = f"{plain.kind.replace('_', ' ')} on the same features"
        rows.append((name, percent(plain.accuracy), percent(plain.uar)))
    chance = percent(1 / len(e.per_class))
    rows.append(("always the commonest emotion", percent(e.majority_accuracy), chance))
    return (
        f"Split {e.split_scheme}: {sizes['train']:.0f} clips to train on, {sizes['val']:.0f} to "
        f"validate, {sizes['test']:.0f} to test.\n\n"
        + table(("system", "accuracy (95 % interval)", "UAR (95 % interval)"), rows)
    )


def emotions() -> str:
    """List precision, recall and F1 of each emotion."""
    rows = [{"name": name, "f": f} for name, f in load_figures().per_class.items()]
    return in_columns(
        rows,
        {
            "emotion": "{name}",
            "precision": "{f.precision:.2f}",
            "recall": "{f.recall:.2f}",
            "F1": "{f.f1:.2f}",
            "test clips": "{f.support}",
        },
    )


def speakers() -> str:
    """List the accuracy of each speaker."""
    rows = [(name, percent(f.accuracy), str(f.n)) for name, f in load_figures().per_speaker.items()]
    return table(("speaker", "accuracy", "test clips"), rows)


def groups() -> str:
    """List accuracy and UAR of the groups of test clips, and the gaps between them."""
    by_group = load_figures().by_group or {}

    def cell(share: float, ends: Sequence[float] | None) -> str:
        return f"{percent(share)} ({interval(ends) if ends else 'one clip: no interval'})"

    rows = [
        (
            f"{column}: {name}",
            cell(f.accuracy, f.accuracy_interval),
            cell(f.uar, f.uar_interval),
            str(f.n),
        )
        for column, grouping in by_group.items()
        for name, f in grouping.groups.items()
    ]
    head = ("group", "accuracy (95 % interval)", "UAR (95 % interval)", "test clips")
    gaps = "\n".join(f"- {column}: {grouping}." for column, grouping in by_group.items())
    return f"{table(head, rows)}\n\n{gaps}"


def voices() -> str:
    """List the accuracy of each speaker when none of the speaker's clips is trained on."""
    measured = load_metrics("protocols")
    names = [name for name in measured if name.startswith("loso")]
    if not names:
        return NOT_RUN
    rows = []
    for speaker in measured[names[0]]["per_speaker"]:
        figures = [measured[name]["per_speaker"][speaker] for name in names]
        shares = (percent(figure["accuracy"]) for figure in figures)
        rows.append((speaker, *shares, str(figures[0]["n"])))
    folds = [
        [100 * fold["accuracy"] for fold in measured[name]["per_fold"].values()] for name in names
    ]
    spreads = (f"{fmean(shares):.1f} ± {stdev(shares):.1f} %" for shares in folds)
    rows.append(("mean ± standard deviation", *spreads, ""))
    return table(("speaker", *(f"`{name}`" for name in names), "clips"), rows)


def errors() -> str:
    """List the accuracy on EmoBox's fold by emotion, speaker and length."""
    measured = load_metrics("protocols").get("emobox")
    if measured is None:
        return NOT_RUN
    rows = [
        (f"{kind}: {name}", percent(figures["accuracy"]), str(figures["n"]))
        for kind in ("emotion", "speaker", "length")
        for name, figures in measured[f"per_{kind}"].items()
    ]
    return table(("`emobox`", "accuracy", "clips"), rows)


def trials() -> str:
    """List what cross-validation gave for each setting."""
    found: dict[str, list[dict[str, str]]] = {}
    for row in rows_of("metrics/trials.csv"):
        found.setdefault(row["trial"], []).append(row)
    rows = []
    for name, entry in lists.read_suite("trials").entries.items():
        each = [float(run["accuracy"]) for run in found.get(name, [])]
        seconds = [float(run["seconds"]) for run in found.get(name, []) if run["seconds"]]
        rows.append(
            (
                name,
                entry.description,
                percent(fmean(each)) if each else NOT_RUN,
                ", ".join(f"{share * 100:.1f}" for share in each),
                f"{fmean(seconds):.1f} s" if seconds else "",
                "yes" if entry.kept else "no" if each else "",
            )
        )
    head = ("trial", "what was tried", "accuracy", "each repetition", "training", "kept")
    return table(head, rows)


def compare() -> str:
    """Compare the experiments, with what their projects report."""
    run = {row["experiment"]: row for row in rows_of("metrics/compare.csv")}
    head = (
        *("experiment", "split; clips to train / validate / test", "epochs", "parameters"),
        *("accuracy (95 % interval)", "UAR", "oracle", "s / epoch", "its project reports"),
    )
    rows = []
    for name, entry in lists.read_suite("compare").entries.items():
        cells = _compared(run[name]) if name in run else ("", "", "", NOT_RUN, "", "", "")
        rows.append((f"`{name}`", *cells, entry.reported))
    return table(head, rows)


def _compared(row: Mapping[str, str]) -> tuple[str, ...]:
    """Format split, epochs, parameters, accuracy, UAR, oracle and time of an experiment."""
    sizes = " / ".join(f"{float(row[subset]):.0f}" for subset in ("train", "val", "test"))
    scheme = SCHEMES.get(row["split"], row["split"]).format(folds=row["folds"])
    spread = f", folds ± {float(row['fold_std']) * 100:.1f}" if row["fold_std"] else ""
    epochs = row["epochs"]
    if row["epochs_allowed"] != row["epochs_wanted"]:
        epochs += f" (cut from {row['epochs_wanted']})"
    elif row["epochs"] != row["epochs_allowed"]:
        epochs += f" (stopped early, at most {row['epochs_wanted']})"
    low_high = interval([float(row["accuracy_low"]), float(row["accuracy_high"])])
    return (
        f"{scheme}; {sizes}",
        epochs,
        f"{int(row['parameters']):,}",
        f"{percent(float(row['accuracy']))} ({low_high}{spread})",
        percent(float(row["uar"])),
        percent(float(row["oracle"])) if row["oracle"] else "",
        f"{float(row['seconds_per_epoch']):.1f}" if row["seconds_per_epoch"] else "",
    )


def differences() -> str:
    """List the differences between experiments with the same test clips, and which are chance."""
    path = "metrics/compare_answers.csv"
    answers = pd.DataFrame(rows_of(path) if (ROOT / path).exists() else [])
    if answers.empty:
        return NOT_RUN
    tables = {str(name): own for name, own in answers.groupby("experiment", sort=False)}
    rows = [
        (
            f"`{pair.first}`, `{pair.second}`",
            str(pair.paired.clips),
            f"{pair.paired.only_old}, {pair.paired.only_new}",
            f"{100 * pair.paired.difference:+.1f} points ({100 * pair.paired.low:+.1f} to "
            f"{100 * pair.paired.high:+.1f})",
            f"{pair.paired.p:.2g}",
            f"{pair.p:.2g}",
            "yes" if pair.is_significant else "no",
        )
        for pair in compare_all(tables)
    ]
    head = ("experiments", "test clips", "only one right", "second minus first (95 % interval)")
    shown = table((*head, "p", "p, corrected", "more than chance"), rows)
    others = [", ".join(f"`{name}`" for name in together) for together in same_clips(tables)]
    if len(others) == 1:
        return shown
    return (
        f"{shown}\n\nThese have different test clips and are not compared with each other: "
        f"{'; '.join(others)}."
    )


def explanations() -> str:
    """List how often the answer changes without the frames that are said to have mattered."""

    def more(row: Row) -> str:
        if not row["more"]:  # that row is what the others are compared with
            return ""
        return f"{100 * row['more']:+.1f} points ({interval((row['more_low'], row['more_high']))})"

    path = "metrics/explanations.csv"
    rows = from_csv(
        path,
        {
            "removed": "{removed:.0%}",
            "frames": "{frames}",
            "answers that change (95 % interval)": lambda row: (
                f"{percent(row['changed'])} ({interval((row['low'], row['high']))})"
            ),
            "more than at random (95 % interval)": more,
        },
    )
    return f"{explained_model(rows_of(path)[0])}\n\n{rows}"


def fusion() -> str:
    """List the figures of experiments together, beside those of each: metrics/fusion.json."""
    rows = [
        (
            ", ".join(f"`{name}` {percent(alone['accuracy'])}" for name, alone in each.items()),
            f"{percent(own['accuracy'])} ({interval((own['accuracy_low'], own['accuracy_high']))})",
            percent(own["uar"]),
            str(own["n_test"]),
        )
        for own in load_metrics("fusion").values()
        for each in [own["of_each"]]
    ]
    return table(("each alone", "together (95 % interval)", "UAR", "test clips"), rows)


def importance() -> str:
    """List how far the UAR falls without each group of features."""
    path = "metrics/importance.csv"
    rows = from_csv(
        path,
        {
            "group": "{group}",
            "features": "{columns:,}",
            "fall of the UAR (95 % interval)": lambda row: (
                f"{points(row['fall'])} points ({points(row['low'])} to {points(row['high'])})"
            ),
        },
    )
    first = rows_of(path)[0]
    return f"The net is `{first['net']}`, tested on {first['clips']} clips.\n\n{rows}"


def points(share: float) -> str:
    """Return a share in points, with one decimal; -0.0 is 0.0.

    >>> points(0.1234), points(-0.0004)
    ('12.3', '0.0')
    """
    return f"{100 * share:z.1f}"


def explained_model(row: Mapping[str, str]) -> str:
    """Describe the model whose explanations were checked, and whether it is that of the last run.

    Args:
        row: of metrics/explanations.csv.
    """
    net = YAML(typ="safe").load(ROOT / "params.yaml")["model"]["name"]
    accuracy = load_figures().accuracy
    measured = row.get("accuracy")  # figures of before it was kept have none
    right = f" {percent(float(measured))} of them are recognised." if measured else ""
    checked = f"The net is `{row['net']}`, tested on {row['clips']} clips.{right}"
    if row["net"] == net and measured and abs(float(measured) - accuracy) < 1e-6:
        return checked
    return (
        f"These figures are not those of the last run's model (net `{net}`, "
        f"{percent(accuracy)}):\n`make explanations` measures that one. {checked}"
    )


def robustness() -> str:
    """List the accuracy under each recording condition, of the default and of `robust`."""
    trained_for_it: dict[str, Row] = {
        row["condition"]: row for row in load_metrics("robustness-robust")["conditions"]
    }

    def lost(row: Row) -> str:
        return f"{100 * row['lost']:.1f}"

    def robust(row: Row) -> Row:
        return trained_for_it[row["condition"]]

    return in_columns(
        load_metrics("robustness")["conditions"],
        {
            "condition": "{title}",
            "default (95 % interval)": _accuracy_and_interval,
            "points lost": lost,
            "answers changed": lambda row: percent(row["changed"]),
            "`robust` (95 % interval)": lambda row: _accuracy_and_interval(robust(row)),
            "its points lost": lambda row: lost(robust(row)),
            "its answers changed": lambda row: percent(robust(row)["changed"]),
        },
    )


def _accuracy_and_interval(row: Row) -> str:
    return f"{percent(row['accuracy'])} ({interval((row['accuracy_low'], row['accuracy_high']))})"


def conditions() -> str:
    """Write a sentence on what other recording conditions do to the default and to `robust`."""
    default, robust = load_metrics("robustness"), load_metrics("robustness-robust")
    return (
        f"With noise, reverberation, telephone lines, codecs and the like, accuracy on the same "
        f"{default['clips']} test clips averages {percent(default['mean'])} over "
        f"{len(default['conditions']) - 1} conditions ({percent(default['worst'])} in the worst). "
        f"The experiment `robust`, trained for such recordings, reaches "
        f"{percent(robust['mean'])} and {percent(robust['worst'])}, and {percent(robust['clean'])} "
        f"as recorded ([details](docs/robustness.md))."
    )


def enrolment() -> str:
    """List what recordings of an unknown voice bring."""
    measured = load_metrics("enrolment")["accuracies"]
    drawn = list(dict.fromkeys(row["drawn"] for row in measured))
    cells = {(row["drawn"], row["recordings"]): row for row in measured}

    def cell(kind: str, row: Row) -> str:
        found = cells.get((kind, row["recordings"]))
        return "" if found is None else _accuracy_and_interval(found)

    counts = [{"recordings": count} for count in sorted({row["recordings"] for row in measured})]
    columns: Columns = {"recordings": "{recordings}"}
    return in_columns(counts, {**columns, **{f"of {kind}": partial(cell, kind) for kind in drawn}})


# The corpus


def dataset() -> str:
    """Describe the corpus of the committed run."""
    d, clean = load_metrics("dataset"), load_metrics("clean")
    counts = ", ".join(f"{n} {name}" for name, n in d["emotions"].items())
    rejected = ", ".join(f"{n} {reason}" for reason, n in clean["reasons"].items() if n)
    rates = ", ".join(f"{n} at {int(rate) / 1000:g} kHz" for rate, n in d["sample_rates"].items())
    return (
        f"{d['clips']} clips ({counts}) of {d['speakers']} speakers, {d['hours'] * 60:.1f} minutes "
        f"in all, {d['seconds']['min']:.1f} to {d['seconds']['max']:.1f} s each, {rates}; "
        f"{clean['rejected']} {'file' if clean['rejected'] == 1 else 'files'} rejected"
        f"{f' ({rejected})' if rejected else ''}."
    )


# Speed and size

_RESULTS = "benchmarks/results.csv"
_TIMES: Columns = {
    "work": "{work}",
    "instead of": "{against}",
    "our time": lambda row: duration(row["seconds"]),
    "its time": lambda row: duration(row["other_seconds"]),
}


def rounding() -> str:
    """Write how much other roundings change the committed run: benchmarks/rounding.csv."""
    rows = [numbers(row) for row in rows_of("benchmarks/rounding.csv")]
    low, high = min(row["accuracy"] for row in rows), max(row["accuracy"] for row in rows)
    most = max(row["other_answers"] for row in rows)
    return (
        f"Retrained with PyTorch's routines for {len(rows)} generations of processors, the same "
        f"code and clips gave {percent(low)} to {percent(high)}; the answer changed for up to "
        f"{most} of the {rows[0]['clips']} test clips (`python -m benchmarks.rounding`)."
    )


def _least(row: Row) -> str:
    return f"{duration(row['bound_seconds'])}: {row['bound']}" if row["bound_seconds"] else ""


def _share(row: Row) -> str:
    return f"{row['bound_seconds'] / row['seconds']:.0%}" if row["bound_seconds"] else ""


bench = partial(
    from_csv,
    _RESULTS,
    {"work": "{work}", "instead of": "{against}", "times as fast": "**{ratio:.1f}**"},
)
librosa = partial(
    from_csv,
    _RESULTS,
    {**_TIMES, "times as fast": "**{ratio:.1f}**", "measured on": "{note}"},
    keep=lambda row: "librosa" in row["against"],
)
limits = partial(
    from_csv,
    _RESULTS,
    {**_TIMES, "least possible": _least, "its share of our time": _share, "note": "{note}"},
)
heads = partial(
    from_csv,
    "benchmarks/heads.csv",
    {
        "features": "{features}",
        "classifier": "{classifier}",
        "settings": "{settings}",
        "accuracy": lambda row: percent(row["accuracy"]),
        "by speaker": lambda row: ", ".join(
            f"{share * 100:.0f}" for name, share in row.items() if name.startswith("speaker ")
        ),
    },
)
descriptors = partial(
    from_csv,
    "benchmarks/descriptors.csv",
    {
        "functionals and": "{added}",
        "known voices": lambda row: percent(row["known"]),
        "unheard voices": lambda row: percent(row["unheard"]),
    },
)
imports = partial(
    from_csv, "benchmarks/imports.csv", {"script": "{script}", "imports": "{seconds:.2f} s"}
)
page = partial(
    from_csv,
    "benchmarks/page.csv",
    {
        "users at once": "{users}",
        "median": "{p50_seconds:.2f} s",
        "99th percentile": "{p99_seconds:.2f} s",
        "answers": "{answers}",
    },
)


def page_start() -> str:
    """Return how long the page's server takes to start, and what memory it then has."""
    start = numbers(rows_of("benchmarks/page.csv")[0])
    return (
        f"The server takes {start['start_seconds']:.1f} s to start, most of it for the import of "
        f"gradio, and then holds {start['megabytes']:.0f} MB. The first answer after the start "
        f"takes {start['first_seconds']:.2f} s."
    )


soak = partial(
    from_csv,
    "benchmarks/soak.csv",
    {
        "minutes": "{from_minute} to {to_minute}",
        "answers": "{answers}",
        "reason or refusal": "{reason_or_refusal}",
        "median": "{p50_seconds:.2f} s",
        "99th percentile": "{p99_seconds:.2f} s",
        "memory": "{megabytes:.0f} MB",
        "at most": "{peak_megabytes:.0f} MB",
    },
)
web = partial(
    from_csv,
    "benchmarks/web.csv",
    {
        "size": "{megabytes} MB",
        "compressed": "{megabytes_packed} MB",
        "until it is ready": "{ready_seconds:.2f} s",
        "until the first answer": "{first_seconds:.2f} s",
        "each further clip": "{next_seconds:.2f} s",
    },
)


def stages() -> str:
    """List the seconds of each stage."""
    path = "benchmarks/pipeline.csv"
    (cores,) = (row["seconds"] for row in rows_of(path) if row["step"] == "cores")
    columns = {"step": "{step}", "time": "{seconds:.1f} s"}
    steps = from_csv(path, columns, keep=lambda row: row["step"] != "cores")
    return f"On {cores} CPU cores, no GPU:\n\n{steps}"


def scale() -> str:
    """List time, memory and disk of ever more clips."""
    return f"{scaling.conditions(_scale())}\n\n{table(*scaling.measured(_scale()))}"


def scale_costs() -> str:
    """List what each further clip costs."""
    return table(*scaling.costs(_scale()))


def scale_limits() -> str:
    """List what breaks first with more clips."""
    return table(*scaling.limits(_scale()))


def _scale() -> list[scaling.Row]:
    return scaling.parse_rows(rows_of("benchmarks/scale.csv"))


def gpu() -> str:
    """Return what benchmarks.gpu measured on a card; one line if it was not run on one."""
    measured = (ROOT / "benchmarks/gpu.json").exists()
    return gpu_results.page(read_file(ROOT, "benchmarks/gpu.json", json.loads) if measured else {})
