"""Write the tables of README.md and docs/ between their markers.

Whatever lies between `<!-- name -->` and `<!-- /name -->` is replaced by the table of that name.
`tests/test_readme.py` compares the pages with what this would write.
"""

import re
from collections.abc import Callable, Mapping

from scripts import cli, tables
from scripts.workspace import ROOT

Blocks = Mapping[str, Callable[[], str]]  # name -> what makes the table

PAGES: Mapping[str, Blocks] = {
    "README.md": {
        "headline": tables.headline,
        "conditions": tables.conditions,
        "dataset": tables.dataset,
        "rounding": tables.rounding,
    },
    "docs/experiments.md": {
        "protocols": tables.protocols,
        "voices": tables.voices,
        "descriptors": tables.descriptors,
        "heads": tables.heads,
        "errors": tables.errors,
        "results": tables.results,
        "emotions": tables.emotions,
        "speakers": tables.speakers,
        "groups": tables.groups,
        "trials": tables.trials,
        "fusion": tables.fusion,
    },
    "docs/explanations.md": {
        "explanations": tables.explanations,
        "importance": tables.importance,
    },
    "docs/robustness.md": {
        "robustness": tables.robustness,
        "enrolment": tables.enrolment,
    },
    "docs/scale.md": {
        "scale": tables.scale,
        "scale_costs": tables.scale_costs,
        "scale_limits": tables.scale_limits,
    },
    "docs/speed.md": {
        "bench": tables.bench,
        "librosa": tables.librosa,
        "limits": tables.limits,
        "stages": tables.stages,
        "imports": tables.imports,
        "gpu": tables.gpu,
    },
    "docs/systems.md": {"compare": tables.compare, "differences": tables.differences},
    "docs/using.md": {
        "page_start": tables.page_start,
        "page": tables.page,
        "soak": tables.soak,
        "web": tables.web,
    },
}


def render(text: str, blocks: Blocks) -> str:
    """Replace what lies between each block's markers by what was measured last."""
    for name, write in blocks.items():
        pattern = re.compile(rf"(?<=<!-- {name} -->\n).*?(?=<!-- /{name} -->)", re.DOTALL)
        made = write().replace("\\", r"\\")  # in the table, a backslash is only itself
        text = pattern.sub(f"{made}\n", text)
    return text


def main() -> None:
    """Rewrite the pages in place."""
    for name, blocks in PAGES.items():
        page = ROOT / name
        page.write_text(render(page.read_text("utf-8"), blocks), "utf-8")


if __name__ == "__main__":
    cli.run_script(main)
