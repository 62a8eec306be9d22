"""Keep the recordings that are of use, in one form; list the others with the reason."""

import hashlib
from collections import Counter
from functools import partial
from pathlib import Path
from typing import Any

from tqdm import tqdm

from ser import params
from ser.arrays import FloatArray
from ser.audio import REASONS, Rejected, check, decode, standardise
from ser.corpora import LANGUAGES, PARSERS, UnknownNameError
from ser.errors import UserError
from ser.parallel import ordered_map, worker_count
from ser.store import StoreWriter
from ser.tables import CLIP_COLUMNS, write_csv, write_json
from stages import cli

Row = dict[str, Any]


def examine(path: str, raw: Path, clean: params.Clean) -> tuple[Row, FloatArray | None]:
    """Decode, check and standardise one recording.

    Args:
        path: the file below `raw`, `<corpus>/...`.
        raw: folder of the recordings.
        clean: what is kept and in what form.

    Returns:
        (row of clips.csv and digest of the decoded audio, waveform float32 [samples]), or
        (row of rejected.csv, None).
    """
    corpus, name = path.split("/")[0], path.split("/")[-1]
    if (shown := path.encode("utf-8", "backslashreplace").decode()) != path:
        return {"path": shown, "reason": "unknown_name", "detail": "not UTF-8"}, None
    try:
        labels = PARSERS[corpus](name)
        recording = decode(raw / path)
        check(recording, clean.min_seconds, clean.max_clipped)
        waveform = standardise(
            recording, clean.sample_rate, clean.noise_reduction, clean.noise_seconds
        )
    except UnknownNameError as error:
        return {"path": path, "reason": "unknown_name", "detail": str(error)}, None
    except Rejected as error:
        return {"path": path, "reason": error.reason, "detail": str(error)}, None
    digest = hashlib.blake2b(str(recording.sample_rate).encode())
    digest.update(recording.samples.tobytes())
    row = {
        "clip": f"{corpus}/{Path(name).stem}",
        "corpus": corpus,
        "path": path,
        "emotion": labels.emotion,
        "speaker": labels.speaker,
        "utterance": labels.utterance,
        "take": labels.take,
        "gender": labels.gender,
        "language": LANGUAGES[corpus],
        "seconds": round(recording.seconds, 6),
        "sample_rate": recording.sample_rate,
        "channels": recording.samples.shape[1],
        "subtype": recording.subtype,
        "digest": digest.hexdigest(),
    }
    return row, waveform


def find_recordings(raw: Path) -> list[str]:
    """List the files below `raw` as posix paths, sorted; hidden files are no recordings.

    Raises:
        UserError: there are none, or a folder is named after no known corpus.
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
        if path.split("/")[0] not in PARSERS:
            raise UserError(
                f"{raw / path} belongs to no corpus: expected {raw}/<corpus>/... with one of "
                f"{', '.join(sorted(PARSERS))}"
            )
    return paths


def set_apart_duplicates(rows: list[Row]) -> tuple[list[Row], list[Row]]:
    """Keep the first of recordings that are the same audio, or that bear the same name.

    Of the same audio under two emotions none is kept: nobody knows which label is right.

    Args:
        rows: rows of clips.csv with their digests, in the order of their paths.

    Returns:
        (rows kept, rows of rejected.csv).
    """
    by_audio: dict[str, list[Row]] = {}
    for row in rows:
        by_audio.setdefault(row["digest"], []).append(row)
    kept: dict[str, Row] = {}
    sounds: dict[str, Row] = {}  # of those kept
    rejected = []
    for row in rows:
        same = by_audio[row["digest"]]
        others = ", ".join(other["path"] for other in same if other is not row)
        if len({other["emotion"] for other in same}) > 1:
            reason, detail = "duplicate_audio", f"same audio under another emotion: {others}"
        elif first := sounds.get(row["digest"]):
            reason, detail = "duplicate_audio", f"same audio as {first['path']}"
        elif row["clip"] in kept:
            reason, detail = "duplicate_name", f"same name as {kept[row['clip']]['path']}"
        else:
            kept[row["clip"]] = sounds[row["digest"]] = row
            continue
        rejected.append({"path": row["path"], "reason": reason, "detail": detail})
    return list(kept.values()), rejected


def main(raw: Path, clips: Path, rejected: Path, clean: Path, metrics: Path) -> None:
    """Write clips.csv, rejected.csv, the standardised audio and the counts.

    Raises:
        UserError: nothing of a corpus is left.
    """
    settings = params.load().clean
    paths = find_recordings(raw)
    work = partial(examine, raw=raw, clean=settings)
    good: list[Row] = []
    bad: list[Row] = []
    # Keys are paths: two files may bear one name until the duplicates are set apart. What those
    # are is known at the end only, so they are stored too; clips.csv says what is used.
    with StoreWriter(clean, (), settings.model_dump()) as store:
        for row, waveform in tqdm(
            ordered_map(work, paths, worker_count()), "clean", len(paths), unit="clip", disable=None
        ):
            if waveform is None:
                bad.append(row)
                continue
            good.append(row)
            store.add(row["path"], waveform)
    good, duplicates = set_apart_duplicates(good)
    good.sort(key=lambda row: row["clip"])
    bad = sorted(bad + duplicates, key=lambda row: row["path"])
    reasons = Counter(row["reason"] for row in bad)

    write_csv(clips, good, CLIP_COLUMNS)
    write_csv(rejected, bad, ("path", "reason", "detail"))
    write_json(
        metrics,
        {
            "kept": len(good),
            "rejected": len(bad),
            "reasons": {reason: reasons[reason] for reason in REASONS},
            "hours": sum(row["seconds"] for row in good) / 3600,
        },
    )
    print(f"clean: {len(good)} clips kept, {len(bad)} rejected (see {rejected})")
    for row in bad[:20]:
        print(f"  {row['path']}: {row['reason']}: {row['detail']}")
    for corpus in sorted({path.split("/")[0] for path in paths}):
        if not any(row["corpus"] == corpus for row in good):
            own = Counter(row["reason"] for row in bad if row["path"].startswith(f"{corpus}/"))
            counts = ", ".join(f"{n} {reason}" for reason, n in own.most_common())
            raise UserError(
                f"every clip of {corpus} was rejected ({counts}): see {rejected}, check "
                f"pull.sources.{corpus} and the section clean of params.yaml"
            )


if __name__ == "__main__":
    cli.run(main, "raw", "clips", "rejected", "clean", "metrics")
