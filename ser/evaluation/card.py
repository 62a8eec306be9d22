"""Write the model card: the purpose of a trained model, its training data and its figures.

Mitchell et al.: Model cards for model reporting, FAT* 2019, in the format of the Hugging Face Hub.
"""

import json
from collections.abc import Mapping, Sequence
from html import escape

from ser.core.dimensions import meanings_of
from ser.core.figures import (
    ABOUT_DIMENSIONS,
    ABOUT_GAPS,
    DIMENSION_HEAD,
    GROUP_HEAD,
    DimensionFigures,
    Figures,
    Grouping,
    dimension_rows,
    group_rows,
)
from ser.core.kinds import OPENSMILE, needs_given
from ser.corpora import licence_of
from ser.evaluation.temperature import in_words
from ser.nets.description import Description
from ser.nets.folder_files import DIMENSIONS_PICTURE

_KNOWN_VOICES = (
    "other utterances of the tested speakers are in training, so a new voice is recognised worse"
)
_SCHEMES = {
    "random": f"a random split: {_KNOWN_VOICES}",
    "kfold": f"random folds: {_KNOWN_VOICES}",
    "emobox": f"EmoBox's folds: {_KNOWN_VOICES}",
    "speaker": "speakers that are not in training",
    "speaker_kfold": "folds of speakers that are not in training",
    "leave_one_speaker_out": "each speaker in turn, with none of the speaker's clips in training",
    "cross_corpus": "corpora that are not in training",
}


def write_card(description: Description) -> str:
    """Return the card of an evaluated model, in Markdown.

    Raises:
        ValueError: the model was not evaluated.
    """
    figures = description.metrics
    if figures is None:
        raise ValueError("the model was not evaluated")
    parts = [
        _front_matter(description, figures),
        "# Speech emotion recogniser",
        _summary(description),
        "## Use",
        _use(description),
        "## What it must not be used for",
        _MISUSE,
        "## Training data",
        _data(description),
        "## Figures",
        _figures(description, figures),
        "## Confidence",
        _confidence(description, figures),
        "## Limits",
        _limits(description),
        "## How it was made",
        _making(description),
    ]
    return "\n\n".join(parts) + "\n"


def markdown_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    r"""Return a Markdown table, with bars in the cells escaped.

    Args:
        head: texts of the header row.
        rows: texts of the other rows, as many in each.

    >>> print(markdown_table(("name", "n"), [("a|b", "2")]))
    | name | n |
    | --- | --- |
    | a\|b | 2 |
    """
    cells = [[cell.replace("|", "\\|").replace("\n", " ") for cell in row] for row in rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in (head, ["---"] * len(head), *cells))


def _front_matter(description: Description, figures: Figures) -> str:
    """Return the YAML header that the Hub reads; JSON strings are valid YAML."""
    corpora = description.corpus.corpora
    languages = sorted({language for own in corpora.values() for language in own.languages})
    licences = sorted({licence_of(name).spdx for name in corpora})
    measured = [name for name in corpora if name not in description.train_corpora]
    result = {
        "task": {"type": "audio-classification"},
        "dataset": {"name": ", ".join(measured), "type": "-".join(measured)},
        "metrics": [
            {"type": "accuracy", "value": round(figures.accuracy, 4)},
            {"type": "recall", "name": "UAR", "value": round(figures.uar, 4)},
        ],
    }
    lines = [
        ("license", licences[0] if len(licences) == 1 else "other"),
        ("language", languages),
        ("library_name", "ser"),
        ("pipeline_tag", "audio-classification"),
        ("tags", ["speech-emotion-recognition", "audio", description.model.name]),
        ("metrics", ["accuracy", "recall"]),
        ("model-index", [{"name": f"ser-{description.model.name}", "results": [result]}]),
    ]
    return "\n".join(["---", *(f"{key}: {json.dumps(value)}" for key, value in lines), "---"])


def _summary(description: Description) -> str:
    emotions = ", ".join(description.emotions)
    net, folds = description.model.name, len(description.folds)
    kinds = ", ".join(f"{n} {kind}" for kind, n in description.preprocessing.dims.items())
    several = f" It averages the answers of {folds} nets, one for each fold." if folds > 1 else ""
    return (
        f"This model recognises {len(description.emotions)} emotions in recordings of speech: "
        f"{emotions}. The net is `{net}` on {kinds}, trained from scratch.{several}"
        f"{_pretrained(description)}"
    )


def _pretrained(description: Description) -> str:
    """Return what was trained on other data than the corpora; empty if nothing was."""
    features = description.preprocessing.features
    if not features.encoder:
        return ""
    layer = features.encoder_layer
    states = "the mean of all its layers" if layer == "mean" else f"its layer {layer}"
    return (
        f" The features are pre-trained: mean and deviation of {states} of the encoder "
        f"`{features.encoder}`, which learned from far more speech than is listed below, perhaps "
        "from the test clips, too. Its own licence holds."
    )


def _use(description: Description) -> str:
    purpose = (
        "For research on acted emotional speech, for teaching, and as a baseline to beat. Intended "
        "users are people who know what the figures below do and do not say."
    )
    if needs_given(description.preprocessing.features.kinds):
        return (
            f"{purpose}\n\nSome of its features came from a table that another program computed, "
            "so it cannot answer for recordings."
        )
    form = description.preprocessing.form
    highpass = f", filtered by a high-pass at {form.highpass:g} Hz" if form.highpass else ""
    return (
        f"{purpose}\n\n"
        "```bash\nser predict --model data/model recording.wav\n```\n\n```python\nfrom ser import "
        'load\n\nload("data/model").predict(samples, rate)  # float samples in -1..1, rate in Hz\n'
        f"```\n\nRecordings are resampled to {form.sample_rate} Hz{highpass} and scaled to a peak "
        f"of 1, as the training clips were.{_NORMALISED.get(description.model.normalisation, '')}"
        + "".join(_LICENSED.get(package, "") for package in description.preprocessing.packages)
    )


# What the licence of a package allows that the features need.
_LICENSED = {
    OPENSMILE: "\n\nIts features are computed by openSMILE, whose licence allows research, "
    "teaching and personal experiments. Whatever else the model is used for needs a commercial "
    "licence of audEERING: read the file LICENSE of the package opensmile."
}
_NORMALISED = {
    "corpus": " In training, each corpus was normalised by itself; a recording is normalised as "
    "the tested corpora were."
}
_MISUSE = (
    "Do not use it to judge people: not at work, at school, in hiring, in court, at borders, in "
    "insurance or in medicine. Do not use it to watch or manipulate anyone. It compares a voice "
    "with the voices of actors; it does not know what a person feels. In the European Union, "
    "inferring emotions at workplaces and in education is prohibited (Regulation (EU) 2024/1689, "
    "article 5(1)(f)). Analyse recordings only with the consent of the people in them."
)


def _data(description: Description) -> str:
    corpus = description.corpus
    rows = []
    for name, own in corpus.corpora.items():
        licence = licence_of(name)
        languages = ", ".join(own.languages) or "not stated"
        counts = (str(own.clips), str(own.speakers))
        rows.append((name, licence.title, languages, *counts, licence.terms, licence.reference))
    head = ("corpus", "title", "language", "clips", "speakers", "licence", "reference")
    emotions = ", ".join(f"{n} {name}" for name, n in corpus.emotions.items())
    seconds = corpus.seconds
    return (
        f"{markdown_table(head, rows)}\n\n{emotions}; {seconds.total / 60:.1f} minutes, clips of "
        f"{seconds.min:.1f} to {seconds.max:.1f} s. {_held_out(description)} The weights were "
        "trained on recordings under these licences: read them before you pass the model on."
    )


def _held_out(description: Description) -> str:
    weights = [f"{name} (weight {weight:g})" for name, weight in description.train_corpora.items()]
    added = f"Every net was trained on all clips of {', '.join(weights)}. " if weights else ""
    others = "other clips" if weights else "clips"
    if len(description.folds) == 1:
        return f"{added}Some of the {others} are test clips, which were not used in training."
    return (
        f"{added}The net of a fold was trained without the fold's test clips, which may be "
        "training clips of the other nets."
    )


def _figures(description: Description, figures: Figures) -> str:
    low, high = figures.uar_interval
    scheme = figures.split_scheme
    classes = [
        (name, f"{f.precision:.2f}", f"{f.recall:.2f}", f"{f.f1:.2f}", str(f.support))
        for name, f in figures.per_class.items()
    ]
    voices = [(name, f"{f.accuracy:.1%}", str(f.n)) for name, f in figures.per_speaker.items()]
    voice_note = (
        " Features were normalised with the test speakers' own recordings, without their emotions."
        if figures.uses_test_speakers_audio
        else ""
    )
    nets_note = (
        " Each clip was classified by the net of its fold alone; the accuracy of all "
        f"{len(description.folds)} nets together was not measured."
        if len(description.folds) > 1
        else ""
    )
    names = description.dimensions
    by_voice = figures.by_voice(description.unheard_voices)
    expected = "\n".join(f"- {who}: {what}." for who, what in by_voice)
    return (
        f"{expected}\n\n"
        f"The tables are of `{scheme}`, {_SCHEMES[scheme]}. UAR (the mean of the recalls of all "
        f"emotions) {figures.uar:.1%} ({low:.1%} to {high:.1%}); always saying the commonest "
        f"emotion: {figures.majority_accuracy:.1%}.{nets_note}{voice_note} The test clips were not "
        "used in training; the card cannot tell how often their figures were looked at while "
        f"settings were chosen.\n\n"
        + markdown_table(("emotion", "precision", "recall", "F1", "test clips"), classes)
        + "\n\n"
        + markdown_table(("speaker", "accuracy", "test clips"), voices)
        + ("" if not figures.by_group else f"\n\n{_groups(figures.by_group)}")
        + (f"\n\n{_dimensions(names, figures.dimensions or {})}" if names else "")
    )


def _dimensions(names: Sequence[str], by_dimension: Mapping[str, DimensionFigures]) -> str:
    parts = [f"The net also predicts what is rated in 0..1 ({meanings_of(names)})."]
    if by_dimension:
        parts += [
            markdown_table(DIMENSION_HEAD, dimension_rows(by_dimension)),
            ABOUT_DIMENSIONS,
            f"![Ratings and predictions of {' and '.join(by_dimension)}]({DIMENSIONS_PICTURE})",
        ]
    unmeasured = [name for name in names if name not in by_dimension]
    if unmeasured:
        parts.append(f"Too few test clips are rated for figures of {' and '.join(unmeasured)}.")
    return "\n\n".join(parts)


def _groups(by_group: Mapping[str, Grouping]) -> str:
    rows = [(escape(group), *figures) for group, *figures in group_rows(by_group)]
    gaps = "\n".join(
        f"- {escape(f'{column}: {grouping}', quote=False)}."
        for column, grouping in by_group.items()
    )
    return f"{markdown_table(GROUP_HEAD, rows)}\n\n{gaps}\n\n{ABOUT_GAPS}"


def _confidence(description: Description, figures: Figures) -> str:
    before = "" if figures.ece_unscaled is None else f" ({figures.ece_unscaled:.3f} before scaling)"
    temperatures = dict(zip(description.folds, description.temperatures, strict=True))
    text = (
        "The probabilities are scaled by a temperature, fitted on each fold's validation clips "
        f"(Guo et al., ICML 2017): {in_words(temperatures)}. The expected calibration error, the "
        "mean gap between the confidence (the highest probability) and the share of right "
        f"answers, is {figures.ece:.3f}{before}."
    )
    if figures.by_confidence is None:
        return text
    rows = [
        (
            f"at least {least}",
            f"{own.coverage:.1%}",
            str(own.n),
            "" if own.accuracy is None else f"{own.accuracy:.1%}",
        )
        for least, own in figures.by_confidence.items()
    ]
    return (
        f"{text} Of the test clips, if less confident answers are not given:\n\n"
        + markdown_table(("confidence", "coverage", "test clips", "accuracy"), rows)
        + "\n\n`ser predict --min-confidence 0.7` names no emotion where the confidence is lower."
    )


def _limits(description: Description) -> str:
    corpus = description.corpus
    speakers = sum(own.speakers for own in corpus.corpora.values())
    seconds = corpus.seconds
    return (
        f"- {speakers} speakers, acting. Other languages, microphones, rooms and real emotions are "
        "recognised worse; by how much was not measured.\n"
        f"- It knows {', '.join(description.emotions)} and nothing else: whatever it hears, it "
        "names one of them, unless it detects no speech.\n"
        f"- Recordings of less than {2 * description.preprocessing.highest_hertz:.0f} Hz, such as "
        "telephone calls, lack frequencies that it uses: it makes more mistakes, and warns.\n"
        f"- It was trained on clips of {seconds.min:.1f} to {seconds.max:.1f} s; longer "
        "recordings are cut into windows, whose accuracy was not measured.\n"
        "- The intervals say how far the figures would move with other clips of the same "
        "speakers, not with other speakers."
    )


def _making(description: Description) -> str:
    versions = ", ".join(f"{name} {version}" for name, version in description.versions.items())
    return f"Made by `dvc repro`; `model.json` has every setting. Versions: {versions}."
