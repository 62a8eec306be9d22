"""The corpora: which files are their clips, and how each is labelled.

A corpus with a module here is labelled by the names of its files. Any other name is a corpus of the
user's own: see `ser.corpora.own`.
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath

from ser.core.errors import UserError
from ser.core.rejection import Rejected
from ser.corpora import aesdd, cremad, demo, emodb, own, ravdess, savee, tess
from ser.corpora.corpus import Licence
from ser.corpora.labels import Labels
from ser.decoding.suffixes import READ, SUFFIXES, is_hidden

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
_OWN = Licence("a corpus of one's own", "other", "as its owner says", "")


def licence_of(corpus: str) -> Licence:
    """Return the terms of use of a corpus, by its name.

    >>> licence_of("ravdess").terms
    'CC BY-NC-SA 4.0'
    """
    return CORPORA[corpus].licence if corpus in CORPORA else _OWN


def select_files(corpus: str, seen: Collection[str], source: str) -> list[str]:
    """Return the files of a source that belong to a corpus.

    Args:
        corpus: its name.
        seen: paths of all files of the source.
        source: its name, for the error.

    Returns:
        Their paths, sorted: the recordings, chosen by their names alone, and the table of the
        user's own corpus. Hidden files, and those that macOS adds to archives, are left out.

    Raises:
        UserError: none of the files is a clip of the corpus; the text lists some of them.

    >>> select_files("aesdd", ["a05 (3).wav", "readme.txt"], "archive.zip")
    ['a05 (3).wav']
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
            f"they are named like clips of {' or '.join(others)}"
            if others
            else "recordings of your own need a corpus name of their own, such as `own`"
        )
        raise UserError(
            f"{source} has no clip of {corpus}, whose clips have names like "
            f"'{CORPORA[corpus].example}': {counted}; {guess}. Correct pull.sources.{corpus} in "
            "params.yaml"
        )
    return audio


def check_table(corpus: str, folder: Path, paths: Sequence[str]) -> list[str]:
    """Check the table of the user's own corpus, if it has one.

    Returns:
        The columns of the table that are not used.

    Raises:
        UserError: it is damaged.
    """
    return [] if corpus in CORPORA else own.check_table(folder, paths)


def label_files(
    corpus: str,
    folder: Path,
    paths: Sequence[str],
    relabel: Mapping[str, str],
    own_emotions: Collection[str] = (),
    columns: Sequence[str] = (),
) -> Iterator[tuple[str, Labels | Rejected]]:
    """Find the labels of each file of a corpus, or why it is not a clip.

    Args:
        corpus: its name.
        folder: the folder of its recordings.
        paths: all files in the folder, relative to it.
        relabel: see `ser.core.emotions.emotion_of`.
        own_emotions: see `ser.core.emotions.emotion_of`.
        columns: further ones to read of the table of the user's own corpus.

    Returns:
        (path, labels or rejection), sorted by path, including files that a table lists but that do
        not exist.

    Raises:
        UserError: the table of the user's own corpus is damaged.
    """
    if corpus in CORPORA:
        parse, files, missing = CORPORA[corpus].parse, list(paths), dict[str, str]()
    else:
        labeller = own.make_labeller(folder, paths, relabel, own_emotions, columns)
        parse, missing = labeller.parse, labeller.missing
        files = [path for path in paths if PurePosixPath(path).name.lower() != own.TABLE]
    # The table is read before the first pair is asked for, and no two pairs are held at once.
    return _label(sorted([*files, *missing]), parse, missing)


def _label(
    paths: list[str], parse: Callable[[str], Labels], missing: Mapping[str, str]
) -> Iterator[tuple[str, Labels | Rejected]]:
    for path in paths:
        if (near := missing.get(path)) is not None:
            yield path, own.missing_file(near)
            continue
        try:
            yield path, parse(path)
        except Rejected as verdict:
            yield path, verdict


def clip_name(corpus: str, path: str) -> str | None:
    """Return the name of the clip at a path, wherever the corpus is stored; None if not a clip.

    >>> clip_name("savee", "AudioData/DC/a01.wav")
    'DC_a01'
    """
    if corpus not in CORPORA:
        return own.clip_name(path)
    try:
        return CORPORA[corpus].parse(path).name
    except Rejected:
        return None


def _is_clip(corpus: str, path: str) -> bool:
    return clip_name(corpus, path) is not None
