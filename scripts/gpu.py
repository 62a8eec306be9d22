"""What benchmarks/gpu.json says: training on an NVIDIA card."""

from collections.abc import Mapping
from statistics import fmean
from typing import Any

from ser.evaluation.card import markdown_table as table

Results = Mapping[str, Any]

TRAININGS = {
    "default": "the default training",
    "s0-cnn3-bs1": "the notebook's net, one clip at a time (`s0-cnn3-bs1`)",
    "s0-cnn4-bs1-artificial": "its larger net on artificial data (`s0-cnn4-bs1-artificial`)",
}
NOT_MEASURED = "Not measured yet: that takes a machine with an NVIDIA card."


def sentence(results: Results) -> str:
    """Write for the README how fast the trainings are."""
    ran = [(text, results[name]) for name, text in TRAININGS.items() if _went_well(results, name)]
    if not ran:
        return NOT_MEASURED
    each = ", ".join(
        f"{text} takes {part['seconds']:.3g} s, an epoch {part['times_as_fast']:.1f} times as fast "
        "as in a plain PyTorch loop"
        for text, part in ran
    )
    return f"On one {results['machine']['card']}: {each}."


def page(results: Results) -> str:
    """Write tables of all that was measured."""
    if not any(_went_well(results, name) for name in TRAININGS):
        return NOT_MEASURED
    machine = results["machine"]
    parts = [
        f"{machine['card']}, {machine['gigabytes']} GB; PyTorch {machine['torch']}, CUDA "
        f"{machine['cuda']}:",
        _trainings(results),
        *(["\n".join(found)] if (found := list(_findings(results))) else []),
    ]
    return "\n\n".join(parts)


def _went_well(results: Results, name: str) -> bool:
    return name in results and "failed" not in results[name]


def _trainings(results: Results) -> str:
    rows = []
    for name, text in TRAININGS.items():
        if not _went_well(results, name):
            continue
        part = results[name]
        epochs = str(part["epochs"])
        if part["epochs"] < part["epochs_wanted"]:
            epochs += f" of {part['epochs_wanted']}"
        rows.append(
            (
                text,
                epochs,
                f"{part['seconds']:.3g} s",
                f"{1000 * part['epoch_seconds']:.3g} ms",
                f"{1000 * part['plain_epoch_seconds']:.3g} ms",
                f"**{part['times_as_fast']:.1f} times**",
                f"{100 * part['test_accuracy']:.1f} %",
                f"{part['peak_megabytes']:.0f} MB",
            )
        )
    head = (
        *("training", "epochs", "whole", "an epoch", "a plain loop's", "as fast"),
        *("test clips right", "peak memory"),
    )
    return table(head, rows)


def _findings(results: Results) -> list[str]:
    """Write a line for each of the other parts."""
    lines = []
    if _went_well(results, "prediction"):
        part = results["prediction"]
        lines.append(
            f"- Prediction of the {part['clips']} test clips: {1000 * part['seconds']:.3g} ms, "
            f"{part['times_as_fast']:.1f} times as fast as clip by clip; no probability is further "
            f"than {part['furthest_from_cpu']:.1g} from that of a CPU."
        )
    if _went_well(results, "mixed_precision"):
        full, half = (results["mixed_precision"][name] for name in ("float32", "bfloat16"))
        lines.append(
            f"- With bfloat16 where autocast has it, the default training takes "
            f"{fmean(half['seconds']):.3g} s instead of {fmean(full['seconds']):.3g} s, and "
            f"recognises {100 * half['mean_val_accuracy']:.1f} % of the val clips instead of "
            f"{100 * full['mean_val_accuracy']:.1f} % (means of {len(full['seconds'])} seeds)."
        )
    if _went_well(results, "same_bytes"):
        alike = all(results["same_bytes"].values())
        lines.append(f"- Two trainings give {'the same' if alike else 'different'} bytes.")
    if _went_well(results, "traffic"):
        for name, part in results["traffic"].items():
            where = "some in every step" if part["waits_in_a_step"] else "none in a step"
            lines.append(
                f"- `{name}`, an epoch of {part['steps']} steps: the host waits "
                f"{part['waits']} times for the card, {where}; {part['bytes_to_the_card']:,} bytes "
                f"are copied to it; a step has {part['kernels_in_a_step']:.0f} kernels, which take "
                f"{part['microseconds_of_kernels_in_a_step']:.0f} µs."
            )
    return lines
