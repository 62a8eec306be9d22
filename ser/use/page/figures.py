"""The page's tab about how good the model is."""

from collections.abc import Sequence
from html import escape
from typing import Any

from ser.core.figures import ends, headline
from ser.nets.description import Description
from ser.use.page.project import Mistake


def show(description: Description, mistakes: Sequence[Mistake]) -> str:
    """Return the figures of a model's evaluation as HTML."""
    metrics = description.metrics
    if metrics is None:
        return '<p class="message">This model was not evaluated: run `dvc repro`.</p>'
    low, high = ends(metrics, "uar")
    return (
        f"<h2>{headline(metrics)}</h2><p>UAR {metrics['uar']:.1%} ({low:.1%} to {high:.1%}), on "
        f"{int(metrics['n_test'])} test clips of the split <code>{escape(metrics['split_scheme'])}"
        f"</code>. Always saying the commonest emotion: {metrics['majority_accuracy']:.1%}.</p>"
        f"<h3>Confusion matrix</h3>{_confusion(metrics['confusion'], description.emotions)}"
        f"<h3>Per emotion</h3>{_per_emotion(metrics['per_class'])}"
        f"<h3>Per speaker</h3>{_per_speaker(metrics['per_speaker'])}"
        f"<h3>Most confident mistakes</h3>{_mistakes(mistakes)}"
    )


def _table(head: Sequence[str], rows: Sequence[str], kind: str = "") -> str:
    cells = "".join(f'<th scope="col">{escape(text)}</th>' for text in head)
    return (
        f'<div class="scroll"><table class="{kind}"><thead><tr>{cells}</tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table></div>"
    )


def _row(name: str, cells: Sequence[str]) -> str:
    data = "".join(f"<td>{escape(cell)}</td>" for cell in cells)
    return f'<tr><th scope="row">{escape(name)}</th>{data}</tr>'


def _confusion(counts: Sequence[Sequence[int]], emotions: Sequence[str]) -> str:
    """Return a table of which emotion (rows) was taken for which (columns)."""
    rows = []
    for emotion, row in zip(emotions, counts, strict=True):
        total = max(1, sum(row))
        cells = "".join(
            f'<td style="--share:{n / total:.0%}">{n:d}<small>{n / total:.0%}</small></td>'
            for n in row
        )
        rows.append(f'<tr><th scope="row">{escape(emotion)}</th>{cells}</tr>')
    return _table(("is \\ was taken for", *emotions), rows, "confusion")


def _per_emotion(per_class: dict[str, Any]) -> str:
    rows = [
        _row(name, [*(f"{f[key]:.2f}" for key in ("precision", "recall", "f1")), str(f["support"])])
        for name, f in per_class.items()
    ]
    return _table(("emotion", "precision", "recall", "F1", "test clips"), rows)


def _per_speaker(per_speaker: dict[str, Any]) -> str:
    rows = [_row(name, [f"{f['accuracy']:.1%}", str(f["n"])]) for name, f in per_speaker.items()]
    return _table(("speaker", "accuracy", "test clips"), rows)


def _mistakes(mistakes: Sequence[Mistake]) -> str:
    if not mistakes:
        return "<p>None are known here: the recordings of the run do not lie beside the model.</p>"
    items = "".join(
        f"<li><div><b>{escape(m.emotion)}</b> taken for <b>{escape(m.predicted)}</b>, "
        f"{m.confidence:.0%} sure<br><small>{escape(m.clip)}, {escape(m.speaker)}</small></div>"
        f'<audio controls preload="none" src="mistakes/{i}.wav" '
        f'aria-label="{escape(m.clip)}"></audio></li>'
        for i, m in enumerate(mistakes)
    )
    return f'<ul class="mistakes">{items}</ul>'
