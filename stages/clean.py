"""Keep the recordings that are of use, in one form; list the others with the reason."""

import hashlib
from collections import Counter
from collections.abc import Sequence
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import Any

from tqdm import tqdm

from ser import params
from ser.arrays import FloatArray
from ser.audio import check, decode, standardise
from ser.corpora import NAMINGS, label_files
from ser.corpora.labels import Labels
from ser.duplicates import set_apart_duplicates
from ser.errors import UserError
from ser.labelling import identity, settle, words_for
from ser.parallel import ordered_map, worker_count
from ser.rejection import REASONS, Rejected
from ser.store import StoreWriter
from ser.tables import CLIP_COLUMNS, write_csv, write_json
from stages import cli

Row = dict[str, Any]
Clip = tuple[str, Labels, str]  # path below the raw folder, labels, identity


def find_recordings(raw: Path) -> dict[str, list[str]]:
    """List the files of each corpus, relative to its folder below `raw`, as posix paths, sorted.

    Hidden files are no recordings.

    Raises:
        UserError: there are none, or one lies in no corpus's folder.
    """
    paths = sorted(
        path.relative_to(raw).as_posix()
        for path in raw.rglob("*")
        if (path.is_file() or path.is_symlink())
        and not any(part.startswith(".") for part in path.relative_to(raw).parts)
    )
    if not paths:
        raise UserError(f"{raw} holds no files: run `dvc repro -f pull`")
    for path in paths:
        if "/" not in path:
            raise UserError(f"{raw / path} belongs to no corpus: expected {raw}/<corpus>/...")
    return {
        corpus: [path.split("/", 1)[1] for path in group]
        for corpus, group in groupby(paths, key=lambda path: path.split("/")[0])
    }


def label(raw: Path, clean: params.Clean) -> tuple[list[Clip], list[Row]]:
    """Label every recording below `raw`.

    Returns:
        (clips, rows of rejected.csv).
    """
    clips, rejected, words = [], [], set()
    for corpus, files in find_recordings(raw).items():
        for file, labels in label_files(corpus, raw / corpus, files, clean.relabel):
            path = f"{corpus}/{file}"
            shown = path.encode("utf-8", "backslashreplace").decode()
            try:
                if shown != path:
                    raise Rejected("unknown_name", "not UTF-8")
                if isinstance(labels, Rejected):
                    raise labels
                words |= words_for(labels.emotion)
                clips.append((path, settle(labels, clean), identity(corpus, labels)))
            except Rejected as verdict:
                rejected.append(rejection(shown, verdict))
    if unused := sorted(set(clean.relabel) - words):
        print(f"  note: no clip is called {' or '.join(unused)}, as clean.relabel names it")
    return clips, rejected


def rejection(path: str, verdict: Rejected) -> Row:
    """Make a row of rejected.csv."""
    return {"path": path, "reason": verdict.reason, "detail": str(verdict)}


def examine(clip: Clip, raw: Path, clean: params.Clean) -> tuple[Row, FloatArray | None]:
    """Decode, check and standardise one recording.

    Args:
        clip: path below `raw`, what is known of it, and its identity.
        raw: folder of the recordings.
        clean: what is kept and in what form.

    Returns:
        (row of clips.csv, digest of the decoded audio and identity, waveform float32 [samples]), or
        (row of rejected.csv, None).
    """
    path, labels, same = clip
    try:
        recording = decode(raw / path)
        check(recording, clean.min_seconds, clean.max_clipped)
        waveform = standardise(
            recording, clean.sample_rate, clean.noise_reduction, clean.noise_seconds
        )
    except Rejected as verdict:
        return rejection(path, verdict), None
    digest = hashlib.blake2b(str(recording.sample_rate).encode())
    digest.update(recording.samples.tobytes())
    corpus = path.split("/")[0]
    row = {
        "clip": f"{corpus}/{labels.name}",
        "corpus": corpus,
        "path": path,
        "emotion": labels.emotion,
        "speaker": labels.speaker,
        "utterance": labels.utterance,
        "take": labels.take,
        "gender": labels.gender,
        "intensity": labels.intensity,
        "language": labels.language,
        "seconds": round(recording.seconds, 6),
        "sample_rate": recording.sample_rate,
        "channels": recording.samples.shape[1],
        "subtype": recording.subtype,
        "digest": digest.hexdigest(),
        "identity": same,
    }
    return row, waveform


def describe(good: Sequence[Row], bad: Sequence[Row]) -> dict[str, Any]:
    """Count what was kept and what was not, in all and corpus by corpus."""
    reasons = Counter(row["reason"] for row in bad)
    kept = Counter(row["corpus"] for row in good)
    lost = Counter(row["path"].split("/")[0] for row in bad)
    return {
        "kept": len(good),
        "rejected": len(bad),
        "reasons": {reason: reasons[reason] for reason in REASONS},
        "hours": sum(row["seconds"] for row in good) / 3600,
        "per_corpus": {
            corpus: {"kept": kept[corpus], "rejected": lost[corpus]}
            for corpus in sorted({*kept, *lost})
        },
    }


def require_clips(good: Sequence[Row], bad: Sequence[Row], wanted: params.Clean) -> None:
    """Refuse a corpus, or a wanted emotion, of which nothing is left.

    Raises:
        UserError: with the reasons and how often each occurs.
    """
    for corpus in sorted({row["path"].split("/")[0] for row in bad}):
        if not any(row["corpus"] == corpus for row in good):
            own = [row for row in bad if row["path"].startswith(f"{corpus}/")]
            reasons = Counter(row["reason"] for row in own).most_common()
            counts = ", ".join(f"{n} {reason}" for reason, n in reasons)
            raise UserError(
                f"every clip of {corpus} was rejected ({counts}), for example {own[0]['path']}: "
                f"{own[0]['detail']}. See data/rejected.csv, check pull.sources.{corpus} and the "
                "section clean of params.yaml; after a change of its files, "
                "`dvc repro --force pull` reads them again"
            )
    there = {row["emotion"] for row in good}
    if wanted.emotions != "all" and (missing := sorted(set(wanted.emotions) - there)):
        raise UserError(
            f"clean.emotions names {', '.join(missing)}, which no clip has; there are "
            f"{', '.join(sorted(there))}"
        )


def warn_of_lone_emotions(good: Sequence[Row]) -> None:
    """Say which emotions only one of several corpora has."""
    corpora = {row["corpus"] for row in good}
    for emotion in sorted({row["emotion"] for row in good}):
        having = sorted({row["corpus"] for row in good if row["emotion"] == emotion})
        if len(corpora) > len(having) == 1:
            print(
                f"  note: only {having[0]} has {emotion}: a net may know it by its corpus instead "
                f"of its sound; clean.relabel or clean.emotions can change that"
            )


def main(raw: Path, clips: Path, rejected: Path, clean: Path, metrics: Path) -> None:
    """Write clips.csv, rejected.csv, the standardised audio and the counts.

    Raises:
        UserError: nothing of a corpus, or of a wanted emotion, is left.
    """
    settings = params.load().clean
    labelled, bad = label(raw, settings)
    work = partial(examine, raw=raw, clean=settings)
    good: list[Row] = []
    stored: set[tuple[str, str]] = set()
    # Keys are paths: two files may bear one name until the duplicates are set apart, and which of
    # them is used is known at the end only. Never the second of one name and one sound.
    with StoreWriter(clean, (), settings.model_dump()) as store:
        results = ordered_map(work, labelled, worker_count())
        for row, waveform in tqdm(results, "clean", len(labelled), unit="clip", disable=None):
            if waveform is None:
                bad.append(row)
                continue
            good.append(row)
            if (row["clip"], row["digest"]) not in stored:
                stored.add((row["clip"], row["digest"]))
                store.add(row["path"], waveform)
    # Of the same audio, the corpus that is known by its names is the better labelled one.
    good.sort(key=lambda row: (row["corpus"] not in NAMINGS, row["path"]))
    good, duplicates = set_apart_duplicates(good)
    good.sort(key=lambda row: row["clip"])
    bad = sorted(bad + duplicates, key=lambda row: row["path"])

    write_csv(clips, good, CLIP_COLUMNS)
    write_csv(rejected, bad, ("path", "reason", "detail"))
    write_json(metrics, describe(good, bad))
    print(f"clean: {len(good)} clips kept, {len(bad)} rejected (see {rejected})")
    for reason, n in Counter(row["reason"] for row in bad).most_common():
        example = next(row for row in bad if row["reason"] == reason)
        print(f"  {n} {reason}, such as {example['path']}: {example['detail']}")
    require_clips(good, bad, settings)
    warn_of_lone_emotions(good)


if __name__ == "__main__":
    cli.run(main, "raw", "clips", "rejected", "clean", "metrics")
