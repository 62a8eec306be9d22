"""Write the README's figures from metrics/, benchmarks/ and the experiments' params.

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


def load_metrics(name: str, root: Path = ROOT) -> dict[str, Any]:
    """Read metrics/<name>.json."""
    values: dict[str, Any] = json.loads((root / f"metrics/{name}.json").read_text("utf-8"))
    return values


def percent(share: float) -> str:
    """Write a share of 1 in percent with one decimal."""
    return f"{share * 100:.1f} %"


def interval(low_high: list[float]) -> str:
    """Write an interval in percent."""
    return f"{low_high[0] * 100:.1f} to {low_high[1] * 100:.1f}"


def rows_of(name: str) -> list[dict[str, str]]:
    """Read a csv file of benchmarks/."""
    with (ROOT / "benchmarks" / name).open(encoding="utf-8", newline="") as file:
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
        for row in rows_of("published.csv")
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
    return (
        f"{d['clips']} clips ({counts}) of {d['speakers']} speakers, {d['hours'] * 60:.1f} minutes "
        f"in all, {d['seconds']['min']:.1f} to {d['seconds']['max']:.1f} s each; "
        f"{clean['rejected']} file rejected ({rejected})."
    )


def speed() -> str:
    """Seconds of each stage."""
    rows = [(row["step"], row["seconds"]) for row in rows_of("pipeline.csv")]
    cores = dict(rows).pop("cores")
    shown = [(step, f"{seconds} s") for step, seconds in rows if step != "cores"]
    return f"On {cores} CPU cores, no GPU:\n\n" + table(("step", "time"), shown)


BLOCKS: dict[str, Callable[[], str]] = {
    "results": results,
    "emotions": emotions,
    "speakers": speakers,
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
