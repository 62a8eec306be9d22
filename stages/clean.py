"""Convert the usable recordings to one form; list the others with the reason."""

import hashlib
from collections.abc import Sequence
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

from tqdm import tqdm

from ser.audio.standard import checked_waveform, level_db, standardise
from ser.cleaning.labelling import folder_notes, label_recordings, require_columns
from ser.cleaning.ledger import REJECTED_COLUMNS, Ledger, open_ledger
from ser.cleaning.summary import (
    require_clips,
    summarise_cleaning,
    warn_of_like_speakers,
    warn_of_lone_emotions,
    warn_of_uneven_rejection,
    warn_of_unused_words,
)
from ser.core import params, sections
from ser.core.recording import SamplesDigest
from ser.core.rejection import Rejected
from ser.core.store import StoreWriter
from ser.core.tables import write_csv, write_report
from ser.core.typing import FloatArray
from ser.decoding.decoding import decode
from ser.parallel.stored import stored_map
from stages import run_stage


def examine(
    clip: tuple[str, str], raw: Path, clean: sections.Clean
) -> tuple[dict[str, Any], Sequence[FloatArray]]:
    """Decode, check and standardise one recording.

    Args:
        clip: name, and path below `raw`.
        raw: folder of the recordings.
        clean: the limits and the form of the audio.

    Returns:
        (the audio's columns of clips.csv and a digest, [waveform float32 [samples]]), or (the row
        of rejected.csv, []).
    """
    name, path = clip
    try:
        recording = decode(raw / path)
        checked = checked_waveform(recording, clean, clean.sample_rate)
        waveform = standardise(checked, clean)
    except Rejected as verdict:
        detail = str(verdict).replace(str(raw / path), path)  # independent of the folder's place
        return {"path": path, "reason": verdict.reason, "detail": detail}, []
    # Of the standardised audio, so that mono and two equal channels, or WAV and FLAC, agree.
    digest = hashlib.blake2b(waveform.tobytes(), digest_size=16)
    samples_digest = SamplesDigest(recording.sample_rate)
    samples_digest.update(recording.samples)
    row = {
        "clip": name,
        "path": path,
        "seconds": round(recording.seconds, 6),
        "sample_rate": recording.sample_rate,
        "channels": recording.samples.shape[1],
        "subtype": recording.subtype,
        "level": round(level_db(checked), 1),
        "samples_digest": samples_digest.hex(),
        "digest": digest.digest(),
    }
    return row, [waveform]


def examine_all(ledger: Ledger, raw: Path, clean: Path, settings: sections.Clean) -> None:
    """Record the result of every recording in the ledger, and store the usable waveforms."""
    # Absolute, because other machines of a cluster may work on it.
    work = partial(examine, raw=raw.absolute(), clean=settings)
    # Keys are paths, because two files may have the same name until the duplicates are set apart,
    # and which of them is kept is known only at the end. A second file of the same name and sound
    # is not stored.
    with (
        StoreWriter(clean, (), settings.form.model_dump()) as store,
        closing(stored_map(work, ledger.names(), store)) as results,
    ):
        for row, waveforms in tqdm(results, "clean", len(ledger), unit="clip", disable=None):
            for waveform in waveforms:
                if not ledger.has(row["clip"], row["digest"]):
                    store.add(row["path"], waveform)
            ledger.update(row)


def main(raw: Path, clips: Path, rejected: Path, clean: Path, report: Path) -> None:
    """Write clips.csv, rejected.csv, the standardised audio and the counts.

    Raises:
        UserError: no clip of a corpus, or of a wanted emotion, is left; or no labels.csv has a
            column of clean.columns.
    """
    all_params = params.load()
    settings = all_params.clean
    require_columns(raw, settings)
    with open_ledger(settings.columns) as ledger:
        ledger.insert(label_recordings(raw, settings))
        for note in folder_notes(raw, settings):
            print(f"  note: {note}")
        warn_of_unused_words(ledger, settings)
        warn_of_like_speakers(ledger)
        examine_all(ledger, raw, clean, settings)
        ledger.reject_duplicates(list(all_params.split.train_corpora))
        write_csv(clips, ledger.clips(), ledger.clip_columns())
        write_csv(rejected, ledger.rejected(), REJECTED_COLUMNS)
        facts = summarise_cleaning(ledger)
        write_report(report, facts)
        kept, lost = facts["kept"], facts["rejected"]
        print(f"clean: {kept} clips kept, {lost} rejected (see {rejected})")
        for tally in ledger.reasons():
            print(f"  {tally.times} {tally.reason}, such as {tally.path}: {tally.detail}")
        warn_of_uneven_rejection(ledger)
        require_clips(ledger, settings)
        warn_of_lone_emotions(ledger)


if __name__ == "__main__":
    run_stage(main)
