"""Write the figures of README.md and docs/ from metrics/, benchmarks/ and experiments/.

Blocks between `<!-- name -->` and `<!-- /name -->` are replaced; the tests compare the README with
what this would write.
"""

import csv
import json
import re
from collections.abc import Callable, Sequence
from statistics import fmean, stdev
from typing import Any

from ruamel.yaml import YAML

from scripts import cli, scaling
from scripts.suites import lists
from scripts.workspace import ROOT, read
from ser.core.figures import Baseline, Figures
from ser.evaluation.card import markdown_table as table

PAGES = (
    ROOT / "README.md",
    ROOT / "docs/experiments.md",
    ROOT / "docs/speed.md",
    ROOT / "docs/scale.md",
    ROOT / "docs/explanations.md",
)


def load_metrics(name: str) -> dict[str, Any]:
    """Read metrics/<name>.json.

    Raises:
        UserError: it is no JSON, such as after a merge with conflicts.
    """
    values: dict[str, Any] = read(ROOT, f"metrics/{name}.json", json.loads)
    return values


def load_figures() -> Figures:
    """Read metrics/evaluate.json.

    Raises:
        UserError: it is missing or damaged; names the key.
    """
    figures: Figures = read(ROOT, "metrics/evaluate.json", Figures.from_json)
    return figures


def percent(share: float) -> str:
    """Write a share of 1 in percent with one decimal."""
    return f"{share * 100:.1f} %"


def interval(low_high: Sequence[float]) -> str:
    """Write an interval in percent."""
    return f"{low_high[0] * 100:.1f} to {low_high[1] * 100:.1f}"


def rows_of(path: str) -> list[dict[str, str]]:
    """Read a csv file below the project's folder.

    Raises:
        UserError: it is missing or no text.
    """
    rows: list[dict[str, str]] = read(
        ROOT, path, lambda text: list(csv.DictReader(text.splitlines(keepends=True)))
    )
    return rows


def results() -> str:
    """The committed run's figures beside the published ones."""
    e, train, split = load_figures(), load_metrics("train"), load_metrics("split")
    sizes = split["clips_per_fold"]
    protocol = (
        f"{e.split_scheme}, {sizes['train']:.0f} / {sizes['val']:.0f} / {sizes['test']:.0f} "
        "clips for train / val / test, one look at the test clips"
    )
    rows = [
        (
            f"**this project**, {train['parameters']:,} parameters from scratch",
            f"**{percent(e.accuracy)}** (95 %: {interval(e.accuracy_interval)})",
            f"{percent(e.uar)} (95 %: {interval(e.uar_interval)})",
            protocol,
        ),
        *([plain_recogniser(e.baseline, "the same clips")] if e.baseline else []),
        (
            "always the commonest emotion",
            percent(e.majority_accuracy),
            percent(1 / len(e.per_class)),
            "the same clips",
        ),
    ]
    return table(("system", "accuracy", "UAR", "protocol"), rows + published("default"))


def plain_recogniser(baseline: Baseline, protocol: str) -> tuple[str, str, str, str]:
    """The row of the recogniser that the net is held against."""
    name = f"{baseline.kind.replace('_', ' ')} on the same features"
    return (name, percent(baseline.accuracy), percent(baseline.uar), protocol)


def published(experiment: str) -> list[tuple[str, str, str, str]]:
    """The published figures that stand beside an experiment's."""
    return [
        (row["system"], row["accuracy"], "", f"{row['protocol']} ({row['reference']})")
        for row in rows_of("benchmarks/published.csv")
        if row["experiment"] == experiment
    ]


def protocols() -> str:
    """The headline figures over all seeds, beside the published ones."""
    measured = load_metrics("protocols")
    rows: list[tuple[str, ...]] = []
    waiting = []
    for name, entry in lists.read("protocols").entries.items():
        if name not in measured:
            waiting.append(name)
            continue
        accuracy, uar = measured[name]["accuracy"], measured[name]["uar"]
        low_high = interval((accuracy["low"], accuracy["high"]))
        rows.append(
            (
                f"**`{name}`**, {measured[name]['parameters']:,} parameters from scratch",
                f"**{percent(accuracy['mean'])}** ± {accuracy['std'] * 100:.1f} (95 %: {low_high})",
                f"{percent(uar['mean'])} ± {uar['std'] * 100:.1f}",
                f"{entry.description}; {measured[name]['clips']} clips tested",
                f"`make protocols NAMES={name}`",
            )
        )
        if baseline := measured[name].get("baseline"):
            protocol = "the same clips, no voice adapted to"
            rows.append((*plain_recogniser(Baseline.model_validate(baseline), protocol), ""))
        rows += [(*row, "") for row in published(name)]
    return table(("system", "accuracy", "UAR", "protocol", "command"), rows) + not_run(waiting)


def voices() -> str:
    """Accuracy of each speaker where none of the speaker's clips is trained on."""
    measured = load_metrics("protocols")
    names = [name for name in measured if name.startswith("loso")]
    if not names:
        return not_run(["loso", "loso-adapted"]).strip()
    rows = []
    for speaker in measured[names[0]]["per_speaker"]:
        figures = [measured[name]["per_speaker"][speaker] for name in names]
        shares = (percent(figure["accuracy"]) for figure in figures)
        rows.append((speaker, *shares, str(figures[0]["n"])))
    folds = [
        [100 * fold["accuracy"] for fold in measured[name]["per_fold"].values()] for name in names
    ]
    spreads = (f"{fmean(shares):.1f} ± {stdev(shares):.1f} %" for shares in folds)
    rows.append(("mean ± deviation", *spreads, ""))
    return table(("speaker", *(f"`{name}`" for name in names), "clips"), rows)


def errors() -> str:
    """What the mistakes on EmoBox's fold are made of."""
    measured = load_metrics("protocols").get("emobox")
    if measured is None:
        return not_run(["emobox"]).strip()
    rows = [
        (f"{kind}: {name}", percent(figures["accuracy"]), str(figures["n"]))
        for kind in ("emotion", "speaker", "length")
        for name, figures in measured[f"per_{kind}"].items()
    ]
    return table(("`emobox`", "accuracy", "clips"), rows)


def trials() -> str:
    """What cross-validation gave for each setting, with what it was compared."""
    results: dict[str, list[dict[str, str]]] = {}
    for row in rows_of("metrics/trials.csv"):
        results.setdefault(row["trial"], []).append(row)
    rows, waiting = [], []
    for name, entry in lists.read("trials").entries.items():
        if name not in results:
            waiting.append(name)
            continue
        each = [float(run["accuracy"]) for run in results[name]]
        seconds = [float(run["seconds"]) for run in results[name] if run["seconds"]]
        rows.append(
            (
                name,
                entry.description,
                percent(fmean(each)),
                ", ".join(f"{share * 100:.1f}" for share in each),
                f"{fmean(seconds):.1f} s" if seconds else "",
                "yes" if entry.kept else "no",
            )
        )
    head = ("trial", "what was tried", "accuracy", "each repetition", "training", "kept")
    return table(head, rows) + not_run(waiting)


def not_run(waiting: Sequence[str]) -> str:
    """Name what a table leaves out for want of figures."""
    names = ", ".join(f"`{name}`" for name in waiting)
    return f"\n\nNot run yet: {names}." if waiting else ""


def emotions() -> str:
    """Precision, recall and F1 of each emotion."""
    rows = [
        (name, f"{f.precision:.2f}", f"{f.recall:.2f}", f"{f.f1:.2f}", str(f.support))
        for name, f in load_figures().per_class.items()
    ]
    return table(("emotion", "precision", "recall", "F1", "test clips"), rows)


def speakers() -> str:
    """Accuracy of each speaker."""
    rows = [(name, percent(f.accuracy), str(f.n)) for name, f in load_figures().per_speaker.items()]
    return table(("speaker", "accuracy", "test clips"), rows)


def dataset() -> str:
    """What the corpus of the committed run holds."""
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


PROTOCOLS = {  # the other schemes go by their names
    "kfold": "{folds}-fold",
    "leave_one_speaker_out": "leave one of {folds} speakers out",
}


def compare() -> str:
    """The experiments side by side, with what their projects report."""
    run = {row["experiment"]: row for row in rows_of("metrics/compare.csv")}
    shown, waiting = [], []
    for name, entry in lists.read("compare").entries.items():
        if name not in run:
            waiting.append(name)
            continue
        row = run[name]
        sizes = " / ".join(f"{float(row[subset]):.0f}" for subset in ("train", "val", "test"))
        protocol = PROTOCOLS.get(row["split"], row["split"]).format(folds=row["folds"])
        spread = f", folds ± {float(row['fold_std']) * 100:.1f}" if row["fold_std"] else ""
        epochs = row["epochs"]
        if row["epochs_allowed"] != row["epochs_wanted"]:
            epochs += f" (cut from {row['epochs_wanted']})"
        elif row["epochs"] != row["epochs_allowed"]:
            epochs += f" (stopped early, at most {row['epochs_wanted']})"
        shown.append(
            (
                name,
                f"{protocol}, {sizes}",
                epochs,
                f"{int(row['parameters']):,}",
                f"{percent(float(row['accuracy']))} "
                f"({interval([float(row['accuracy_low']), float(row['accuracy_high'])])}{spread})",
                percent(float(row["uar"])),
                percent(float(row["oracle"])) if row["oracle"] else "",
                f"{float(row['seconds_per_epoch']):.1f}" if row["seconds_per_epoch"] else "",
                entry.reported,
            )
        )
    head = (
        *("experiment", "protocol, clips train / val / test", "epochs", "parameters"),
        *("accuracy (95 %)", "UAR", "oracle", "s / epoch", "its project reports"),
    )
    return table(head, shown) + not_run(waiting)


def bench() -> str:
    """How fast the work is against what one would do otherwise."""
    rows = [
        (
            row["work"],
            row["against"],
            f"**{float(row['ratio']):.1f} times**",
            f"{float(row['goal']):g}",
        )
        for row in rows_of("benchmarks/results.csv")
    ]
    return table(("work", "against", "as fast", "goal"), rows)


def limits() -> str:
    """Seconds of each row of `bench`, and how long this machine needs at least."""
    rows = []
    for row in rows_of("benchmarks/results.csv"):
        ours, bound = float(row["seconds"]), row["bound_seconds"]
        least = f"{seconds(float(bound))}: {row['bound']}" if bound else ""
        share = f"{float(bound) / ours:.0%}" if bound else ""
        other = seconds(float(row["other_seconds"]))
        rows.append((row["work"], seconds(ours), row["against"], other, least, share, row["note"]))
    head = ("work", "time", "against", "its time", "least possible", "of our time", "note")
    return table(head, rows)


def imports() -> str:
    """Seconds until each stage's script has imported what it needs."""
    rows = rows_of("benchmarks/imports.csv")
    return table(("script", "imports"), [(row["script"], f"{row['seconds']} s") for row in rows])


def seconds(value: float) -> str:
    """Write a time with three digits."""
    return f"{value:.3g} s" if value >= 1 else f"{value * 1000:.3g} ms"


def page() -> str:
    """How long the page takes to answer."""
    rows = [
        (
            row["users"],
            f"{float(row['p50_seconds']):.2f} s",
            f"{float(row['p99_seconds']):.2f} s",
            row["answers"],
        )
        for row in rows_of("benchmarks/page.csv")
    ]
    return table(("users at once", "p50", "p99", "answers"), rows)


def web() -> str:
    """How large the page in the browser is, and how long it takes to answer."""
    (row,) = rows_of("benchmarks/web.csv")
    head = ("size", "packed", "until it is ready", "until the first answer", "each further clip")
    sizes = (f"{row['megabytes']} MB", f"{row['megabytes_packed']} MB")
    times = (f"{row[f'{name}_seconds']} s" for name in ("ready", "first", "next"))
    return table(head, [(*sizes, *times)])


def speed() -> str:
    """Seconds of each stage."""
    rows = [(row["step"], row["seconds"]) for row in rows_of("benchmarks/pipeline.csv")]
    cores = dict(rows).pop("cores")
    shown = [(step, f"{seconds} s") for step, seconds in rows if step != "cores"]
    return f"On {cores} CPU cores, no GPU:\n\n" + table(("step", "time"), shown)


def scale() -> str:
    """Time, memory and disk of ever more clips."""
    return f"{scaling.conditions(_scale())}\n\n{table(*scaling.measured(_scale()))}"


def _scale() -> list[scaling.Row]:
    return scaling.read(rows_of("benchmarks/scale.csv"))


def explanations() -> str:
    """How often the answer changes without the frames that are said to have mattered."""
    table_of = rows_of("metrics/explanations.csv")
    rows = []
    for row in table_of:
        share = {
            key: float(row[key])
            for key in ("removed", "changed", "low", "high", "more", "more_low", "more_high")
        }
        changed = interval((share["low"], share["high"]))
        more = interval((share["more_low"], share["more_high"]))
        rows.append(
            (
                f"{100 * share['removed']:.0f} %",
                row["frames"],
                f"{percent(share['changed'])} ({changed})",
                f"{100 * share['more']:+.1f} points ({more})" if share["more"] else "",
            )
        )
    head = ("removed", "frames", "answers that change (95 %)", "more than at random (95 %)")
    return f"{explained_model(table_of[0])}\n\n{table(head, rows)}"


def explained_model(row: dict[str, str]) -> str:
    """Say of which model explanations were checked, and whether it is that of the last run.

    Args:
        row: of metrics/explanations.csv.
    """
    net = YAML(typ="safe").load(ROOT / "params.yaml")["model"]["name"]
    accuracy = load_figures().accuracy
    measured = row.get("accuracy")  # figures of before it was kept have none
    known = f", which tells {percent(float(measured))} of them right" if measured else ""
    said = f"Net `{row['net']}`, {row['clips']} test clips{known}:"
    if row["net"] == net and measured and abs(float(measured) - accuracy) < 1e-6:
        return said
    return (
        f"Of another model than that of the last run (net `{net}`, {percent(accuracy)}), which\n"
        f"`make explanations` measures.\n\n{said}"
    )


BLOCKS: dict[str, Callable[[], str]] = {
    "results": results,
    "protocols": protocols,
    "voices": voices,
    "errors": errors,
    "trials": trials,
    "emotions": emotions,
    "speakers": speakers,
    "compare": compare,
    "dataset": dataset,
    "speed": speed,
    "bench": bench,
    "page": page,
    "web": web,
    "limits": limits,
    "imports": imports,
    "explanations": explanations,
    "scale": scale,
    "scale_costs": lambda: table(*scaling.costs(_scale())),
    "scale_limits": lambda: table(*scaling.limits(_scale())),
}


def render(text: str) -> str:
    """Replace every block of a README by what the metrics say now."""
    for name, write in BLOCKS.items():
        block = re.search(rf"<!-- {name} -->\n(.*?)\n<!-- /{name} -->", text, re.DOTALL)
        if block:
            text = text[: block.start(1)] + write() + text[block.end(1) :]
    return text


def main() -> None:
    """Rewrite the pages in place."""
    for page in PAGES:
        page.write_text(render(page.read_text("utf-8")), "utf-8")


if __name__ == "__main__":
    cli.run(main)
