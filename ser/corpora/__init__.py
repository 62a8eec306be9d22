"""The corpora: which files are their clips, and what is known of each.

A corpus with a module here is read by what its files are called; any other name is somebody's own,
see `ser.corpora.own`.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from ser.core.errors import UserError
from ser.core.rejection import Rejected
from ser.corpora import aesdd, cremad, emodb, own, ravdess, savee, tess
from ser.corpora.labels import Labels
from ser.decoding.formats import READ, SUFFIXES, is_hidden

_SHOWN = 3


@dataclass(frozen=True)
class Naming:
    """How the clips of a corpus are called.

    Attributes:
        parse: path below the corpus's folder -> labels; raises `Rejected`.
        example: one such path.
    """

    parse: Callable[[str], Labels]
    example: str


def _parse_demo(path: str) -> Labels:
    """Read the names of the synthesised corpus (ser/sources/demo.py): the AESDD's, in no tongue."""
    return replace(aesdd.parse(path), language="")


NAMINGS = {
    "aesdd": Naming(aesdd.parse, aesdd.EXAMPLE),
    "ravdess": Naming(ravdess.parse, ravdess.EXAMPLE),
    "cremad": Naming(cremad.parse, cremad.EXAMPLE),
    "tess": Naming(tess.parse, tess.EXAMPLE),
    "savee": Naming(savee.parse, savee.EXAMPLE),
    "emodb": Naming(emodb.parse, emodb.EXAMPLE),
    "demo": Naming(_parse_demo, aesdd.EXAMPLE),
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
    suffixes, read = ((".wav",), ".wav") if corpus in NAMINGS else (SUFFIXES, READ)
    audio = sorted(path for path in visible if path.lower().endswith(suffixes))
    examples = f", for example {', '.join(sorted(audio or seen)[:_SHOWN])}" if seen else ""
    counted = f"{len(seen)} files seen{examples}"
    if not audio:
        raise UserError(f"{source} has no audio files ({read}): {counted}")
    if corpus not in NAMINGS:
        table = own.find_table(visible, source)
        return sorted([*audio, table]) if table else audio
    if not any(_is_clip(corpus, path) for path in audio):
        others = [name for name in NAMINGS if any(_is_clip(name, path) for path in audio)]
        guess = (
            f"they are called like clips of {' or '.join(others)}"
            if others
            else "recordings of your own go under a name of their own, such as `own`"
        )
        raise UserError(
            f"{source} has no clip of {corpus}, whose clips are called like "
            f"'{NAMINGS[corpus].example}': {counted}; {guess}. Correct pull.sources.{corpus} in "
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
    return [] if corpus in NAMINGS else own.labeller(folder, paths, {}).unused


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
    if corpus in NAMINGS:
        parse, files, missing = NAMINGS[corpus].parse, list(paths), dict[str, str]()
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
    if corpus not in NAMINGS:
        return own.clip_name(path)
    try:
        return NAMINGS[corpus].parse(path).name
    except Rejected:
        return None


def _is_clip(corpus: str, path: str) -> bool:
    return clip_name(corpus, path) is not None
