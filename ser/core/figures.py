"""Read the figures of an evaluation (`ser.evaluation.figures`)."""

from collections.abc import Mapping
from typing import Any


def ends(figures: Mapping[str, Any], name: str) -> tuple[float, float]:
    """Return both ends of the 95 % interval of a figure."""
    return figures[f"{name}_low"], figures[f"{name}_high"]


def headline(figures: Mapping[str, Any]) -> str:
    """Return the accuracy with its interval as text."""
    low, high = ends(figures, "accuracy")
    return f"Accuracy {figures['accuracy']:.1%} (95% interval {low:.1%} to {high:.1%})"
