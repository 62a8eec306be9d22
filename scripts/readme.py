"""Write the README's figures from metrics/, benchmarks/ and experiments/.

Blocks between `<!-- name -->` and `<!-- /name -->` are replaced; the tests compare the README with
what this would write.
"""

import csv
import json
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]


def load_metrics(name: str) -> dict[str, Any]:
    """Read metrics/<name>.json."""
    values: dict[str, Any] = json.loads((ROOT / f"metrics/{name}.json").read_text("utf-8"))
    return values


def percent(share: float) -> str:
    """Write a share of 1 in percent with one decimal."""
    return f"{share * 100:.1f} %"


def interval(low_high: list[float]) -> str:
    """Write an interval in percent."""
    return f"{low_high[0] * 100:.1f} to {low_high[1] * 100:.1f}"


def rows_of(path: str) -> list[dict[str, str]]:
    """Read a csv file below the project's folder."""
    with (ROOT / path).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    """Write a Markdown table."""
    lines = [head, ("---",) * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def results() -> str:
    """The committed run's figures beside the published ones."""
    e, train, split = load_metrics("evaluate"), load_metrics("train"), load_metrics("split")
    sizes = split["clips_per_fold"]
    protocol = (
        f"{e['split_scheme']}, {sizes['train']:.0f} / {sizes['val']:.0f} / {sizes['test']:.0f} "
        "clips for train / val / test, one look at the test clips"
    )
    rows = [
        (
            f"**this project**, {train['parameters']:,} parameters from scratch",
            f"**{percent(e['accuracy'])}** (95 %: {interval(e['accuracy_ci95'])})",
            f"{percent(e['uar'])} (95 %: {interval(e['uar_ci95'])})",
            protocol,
        ),
        (
            f"{e['baseline']['kind'].replace('_', ' ')} on clip statistics",
            percent(e["baseline"]["accuracy"]),
            percent(e["baseline"]["uar"]),
            "the same clips",
        ),
        (
            "always the commonest emotion",
            percent(e["majority_accuracy"]),
            percent(1 / len(e["per_class"])),
            "the same clips",
        ),
    ]
    rows += [
        (row["system"], row["accuracy"], "", f"{row['protocol']} ({row['reference']})")
        for row in rows_of("benchmarks/published.csv")
    ]
    return table(("system", "accuracy", "UAR", "protocol"), rows)


def emotions() -> str:
    """Precision, recall and F1 of each emotion."""
    rows = [
        (name, *(f"{f[key]:.2f}" for key in ("precision", "recall", "f1")), str(f["support"]))
        for name, f in load_metrics("evaluate")["per_class"].items()
    ]
    return table(("emotion", "precision", "recall", "F1", "test clips"), rows)


def speakers() -> str:
    """Accuracy of each speaker."""
    rows = [
        (name, percent(f["accuracy"]), str(f["n"]))
        for name, f in load_metrics("evaluate")["per_speaker"].items()
    ]
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
        f"{clean['rejected']} file rejected ({rejected})."
    )


PROTOCOLS = {  # the other schemes go by their names
    "kfold": "{folds}-fold",
    "leave_one_speaker_out": "leave one of {folds} speakers out",
}


def compare() -> str:
    """The experiments side by side, with what their projects report."""
    run = {row["experiment"]: row for row in rows_of("metrics/compare.csv")}
    shown, waiting = [], []
    for project in rows_of("experiments/compared.csv"):
        name = project["experiment"]
        if name not in run:
            waiting.append(name)
            continue
        row = run[name]
        sizes = " / ".join(f"{float(row[subset]):.0f}" for subset in ("train", "val", "test"))
        protocol = PROTOCOLS.get(row["split"], row["split"]).format(folds=row["folds"])
        spread = f", folds ± {float(row['fold_std']) * 100:.1f}" if row["fold_std"] else ""
        reported = project["reported_accuracy"]
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
                f"{reported} %, {project['selected']}, {project['reported_on']}"
                if reported
                else "",
            )
        )
    head = (
        *("experiment", "protocol, clips train / val / test", "epochs", "parameters"),
        *("accuracy (95 %)", "UAR", "oracle", "s / epoch", "its project reports"),
    )
    names = ", ".join(f"`{name}`" for name in waiting)
    return table(head, shown) + (f"\n\nNot run yet: {names}." if waiting else "")


def speed() -> str:
    """Seconds of each stage."""
    rows = [(row["step"], row["seconds"]) for row in rows_of("benchmarks/pipeline.csv")]
    cores = dict(rows).pop("cores")
    shown = [(step, f"{seconds} s") for step, seconds in rows if step != "cores"]
    return f"On {cores} CPU cores, no GPU:\n\n" + table(("step", "time"), shown)


BLOCKS: dict[str, Callable[[], str]] = {
    "results": results,
    "emotions": emotions,
    "speakers": speakers,
    "compare": compare,
    "dataset": dataset,
    "speed": speed,
}


def render(text: str) -> str:
    """Replace every block of a README by what the metrics say now."""
    for name, write in BLOCKS.items():
        pattern = re.compile(rf"(<!-- {name} -->\n).*?(\n<!-- /{name} -->)", re.DOTALL)
        text = pattern.sub(lambda match, write=write: match[1] + write() + match[2], text)  # type: ignore[misc]
    return text


def main() -> None:
    """Rewrite README.md in place."""
    readme = ROOT / "README.md"
    readme.write_text(render(readme.read_text("utf-8")), "utf-8")


if __name__ == "__main__":
    main()
