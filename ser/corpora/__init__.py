"""The corpora: which files are their clips, and what is known of each.

A corpus with a module here is read by what its files are called; any other name is somebody's own,
see `ser.corpora.own`.
"""

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path, PurePosixPath

from ser.core.errors import UserError
from ser.core.rejection import Rejected
from ser.corpora import aesdd, cremad, demo, emodb, own, ravdess, savee, tess
from ser.corpora.labels import Labels
from ser.decoding.formats import READ, SUFFIXES, is_hidden

_SHOWN = 3


CORPORA = {
    "aesdd": aesdd.CORPUS,
    "ravdess": ravdess.CORPUS,
    "cremad": cremad.CORPUS,
    "tess": tess.CORPUS,
    "savee": savee.CORPUS,
    "emodb": emodb.CORPUS,
    "demo": demo.CORPUS,
}


def select_files(corpus: str, seen: Collection[str], source: str) -> list[str]:
    """Choose the files of a source that a corpus consists of.

    Args:
        corpus: its name.
        seen: paths of all files that the source has.
        source: its name, for the error.

    Returns:
        Their paths, sorted: the recordings, by their names alone, and the table of one's own
        corpus. Hidden files, and what macOS adds to archives, are no recordings.

    Raises:
        UserError: none of them is a clip of the corpus; it says what is there instead.
    """
    visible = [path for path in seen if not is_hidden(PurePosixPath(path))]
    suffixes, read = ((".wav",), ".wav") if corpus in CORPORA else (SUFFIXES, READ)
    audio = sorted(path for path in visible if path.lower().endswith(suffixes))
    examples = f", for example {', '.join(sorted(audio or seen)[:_SHOWN])}" if seen else ""
    counted = f"{len(seen)} files seen{examples}"
    if not audio:
        raise UserError(f"{source} has no audio files ({read}): {counted}")
    if corpus not in CORPORA:
        table = own.find_table(visible, source)
        return sorted([*audio, table]) if table else audio
    if not any(_is_clip(corpus, path) for path in audio):
        others = [name for name in CORPORA if any(_is_clip(name, path) for path in audio)]
        guess = (
            f"they are called like clips of {' or '.join(others)}"
            if others
            else "recordings of your own go under a name of their own, such as `own`"
        )
        raise UserError(
            f"{source} has no clip of {corpus}, whose clips are called like "
            f"'{CORPORA[corpus].example}': {counted}; {guess}. Correct pull.sources.{corpus} in "
            "params.yaml"
        )
    return audio


def check_table(corpus: str, folder: Path, paths: Sequence[str]) -> list[str]:
    """Read the table of one's own corpus, if it has one.

    Returns:
        Its columns that are not used.

    Raises:
        UserError: it is damaged.
    """
    return [] if corpus in CORPORA else own.labeller(folder, paths, {}).unused


def label_files(
    corpus: str,
    folder: Path,
    paths: Sequence[str],
    relabel: Mapping[str, str],
    own_emotions: Collection[str] = (),
) -> list[tuple[str, Labels | Rejected]]:
    """Say of each file of a corpus what it is, or why it is no clip.

    Args:
        corpus: its name.
        folder: of its recordings.
        paths: all files in it, relative to it.
        relabel: see `ser.core.emotions.emotion_of`.
        own_emotions: see `ser.core.emotions.emotion_of`.

    Returns:
        (path, labels or verdict), sorted by path; what a table lists in vain stands there too.

    Raises:
        UserError: the table of one's own corpus is damaged.
    """
    if corpus in CORPORA:
        parse, files, missing = CORPORA[corpus].parse, list(paths), dict[str, str]()
    else:
        labeller = own.labeller(folder, paths, relabel, own_emotions)
        parse, missing = labeller.parse, labeller.missing
        files = [path for path in paths if PurePosixPath(path).name.lower() != own.TABLE]
    labelled: list[tuple[str, Labels | Rejected]] = [
        (path, Rejected("missing_file", detail)) for path, detail in missing.items()
    ]
    for path in files:
        try:
            labelled.append((path, parse(path)))
        except Rejected as verdict:
            labelled.append((path, verdict))
    return sorted(labelled, key=lambda pair: pair[0])


def clip_name(corpus: str, path: str) -> str | None:
    """Name the clip that a path means, wherever the corpus lies; None if it means none."""
    if corpus not in CORPORA:
        return own.clip_name(path)
    try:
        return CORPORA[corpus].parse(path).name
    except Rejected:
        return None


def _is_clip(corpus: str, path: str) -> bool:
    return clip_name(corpus, path) is not None
