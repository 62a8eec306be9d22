"""Read what the stages of a project measured."""

from ser.core.tables import parse_report


def metrics_of(project, stage):
    return parse_report((project / "metrics" / f"{stage}.json").read_text("utf-8"))
