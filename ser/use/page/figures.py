"""Write the page's tab about how good the model is."""

from collections.abc import Mapping, Sequence
from html import escape

from ser.core.figures import (
    ABOUT_DIMENSIONS,
    ABOUT_GAPS,
    DIMENSION_HEAD,
    GROUP_HEAD,
    ClassFigures,
    DimensionFigures,
    Grouping,
    SpeakerFigures,
    dimension_rows,
    group_rows,
)
from ser.nets.description import Description
from ser.use.page.project import Mistake


def render_html(description: Description, mistakes: Sequence[Mistake]) -> str:
    """Write the figures of a model's evaluation as HTML."""
    figures = description.metrics
    if figures is None:
        return '<p class="message">This model was not evaluated.</p>'
    low, high = figures.uar_interval
    voices = figures.by_voice(description.unheard_voices)
    return (
        f"{''.join(f'<h2>{escape(who)}</h2><p>{escape(what)}.</p>' for who, what in voices)}"
        f"<h2>On {figures.n_test} test clips</h2><p>UAR (the mean of the recalls of all emotions) "
        f"{figures.uar:.1%} ({low:.1%} to {high:.1%}). Accuracy of always saying the most frequent "
        f"emotion: {figures.majority_accuracy:.1%}.</p>"
        f"{_confusion(figures.confusion, list(figures.per_class)) if figures.confusion else ''}"
        f"<h3>Per emotion</h3>{_per_emotion(figures.per_class)}"
        f"<h3>Per speaker</h3>{_per_speaker(figures.per_speaker)}"
        f"{_by_group(figures.by_group) if figures.by_group else ''}"
        f"{_by_dimension(figures.dimensions) if figures.dimensions else ''}"
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
    """Write the confusion matrix: rows are the actual emotions, columns the predicted ones."""
    rows = []
    for emotion, row in zip(emotions, counts, strict=True):
        total = max(1, sum(row))
        cells = "".join(
            f'<td style="--share:{n / total:.0%}">{n:d}<small>{n / total:.0%}</small></td>'
            for n in row
        )
        rows.append(f'<tr><th scope="row">{escape(emotion)}</th>{cells}</tr>')
    table = _table(("actual \\ predicted", *emotions), rows, "confusion")
    return f"<h3>Confusion matrix</h3>{table}"


def _per_emotion(per_class: Mapping[str, ClassFigures]) -> str:
    rows = [
        _row(name, [f"{f.precision:.2f}", f"{f.recall:.2f}", f"{f.f1:.2f}", str(f.support)])
        for name, f in per_class.items()
    ]
    return _table(("emotion", "precision", "recall", "F1", "test clips"), rows)


def _per_speaker(per_speaker: Mapping[str, SpeakerFigures]) -> str:
    rows = [_row(name, [f"{f.accuracy:.1%}", str(f.n)]) for name, f in per_speaker.items()]
    return _table(("speaker", "accuracy", "test clips"), rows)


def _by_group(by_group: Mapping[str, Grouping]) -> str:
    rows = [_row(group, figures) for group, *figures in group_rows(by_group)]
    gaps = "".join(f"<li>{escape(f'{name}: {of}')}.</li>" for name, of in by_group.items())
    return f"<h3>By group</h3>{_table(GROUP_HEAD, rows)}<ul>{gaps}</ul><p>{ABOUT_GAPS}</p>"


def _by_dimension(by_dimension: Mapping[str, DimensionFigures]) -> str:
    rows = [_row(name, cells) for name, *cells in dimension_rows(by_dimension)]
    table = _table(DIMENSION_HEAD, rows)
    return f"<h3>{' and '.join(by_dimension).capitalize()}</h3>{table}<p>{ABOUT_DIMENSIONS}</p>"


def _mistakes(mistakes: Sequence[Mistake]) -> str:
    if not mistakes:
        return "<p>Not available: the recordings of the run are not in the model's folder.</p>"
    items = "".join(
        f"<li><div><b>{escape(m.emotion)}</b> taken for <b>{escape(m.predicted)}</b>, "
        f"{m.confidence:.0%} sure<br><small>{escape(m.clip)}, {escape(m.speaker)}</small></div>"
        f'<audio controls preload="none" src="mistakes/{i}.wav" '
        f'aria-label="{escape(m.clip)}"></audio></li>'
        for i, m in enumerate(mistakes)
    )
    return f'<ul class="mistakes">{items}</ul>'
