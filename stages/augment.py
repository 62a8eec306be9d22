"""Make changed copies of every clip and compute their features."""

from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import asdict, fields
from functools import partial
from itertools import tee
from pathlib import Path
from typing import Any, NamedTuple

from librosa import power_to_db
from tqdm import tqdm

from ser.augment.copies import CopyChanges, change_features, change_waveform, draw_changes
from ser.augment.recording import DrawnRecording, record
from ser.core import params, sections
from ser.core.errors import UserError
from ser.core.filters import FilterBanks, filter_banks
from ser.core.rejection import Rejected
from ser.core.store import ArraySlice, Store, StoreWriter
from ser.core.tables import count_rows, read_rows, write_csv
from ser.core.typing import FloatArray
from ser.features.extract import extract
from ser.parallel import ordered_map
from stages import run_stage

_RECORDED = [field.name for field in fields(DrawnRecording)]


class Job(NamedTuple):
    """The copies to make of one clip: its waveform, and the changes of each copy."""

    clip: str
    place: ArraySlice
    changes: list[CopyChanges]


def jobs(clips: Path, waveforms: Store, augment: sections.Augment) -> Iterator[Job]:
    """Draw the changes of all copies, clip by clip."""
    numbers = range(1, augment.copies + 1)
    for row in read_rows(clips) if numbers else ():
        clip = row["clip"]
        changes = [draw_changes(augment, clip, number) for number in numbers]
        yield Job(clip, waveforms.array_slice(row["path"]), changes)


def features_of_copies(
    job: Job, form: sections.AudioForm, features: sections.Features, banks: FilterBanks
) -> list[FloatArray]:
    """Change a clip's waveform [samples] as drawn; return the copies' features [frames, dims]."""
    waveform = job.place.read()
    made = []
    for number, changes in enumerate(job.changes, start=1):
        copy = change_waveform(waveform, form.sample_rate, changes)
        if changes.recording is not None:
            try:
                copy = record(copy, form, changes.recording)
            except Rejected as verdict:
                raise UserError(
                    f"copy {number} of {job.clip} is of no use ({verdict}): choose milder ranges "
                    "in params.yaml, augment"
                ) from None
        extracted = extract(copy, form.sample_rate, features, banks, power_to_db)
        made.append(change_features(extracted, features.dims, changes))
    return made


def columns_of(changes: CopyChanges) -> dict[str, Any]:
    """Return a copy's changes as columns of copies.csv."""
    columns = asdict(changes)
    recording = columns.pop("recording")
    for name in _RECORDED:  # some have the name of another change
        columns[f"recording_{name}"] = recording and recording[name]
    return columns


def stored(
    done: Iterable[Job], results: Iterable[list[FloatArray]], store: StoreWriter
) -> Iterator[dict[str, Any]]:
    """Store the features of each copy; yield its row of copies.csv."""
    for job, made in zip(done, results, strict=True):
        for number, (changes, array) in enumerate(zip(job.changes, made, strict=True), start=1):
            key = f"{job.clip}#{number}"
            store.add(key, array)
            yield {"key": key, "clip": job.clip, "copy": number, **columns_of(changes)}


def main(clips: Path, clean: Path, augmented: Path) -> None:
    """Write a store of the copies' features, and copies.csv: the clip and changes of each copy."""
    settings = params.load()
    features = settings.features
    total = count_rows(clips)
    waveforms = Store(clean)
    form = sections.AudioForm.model_validate(waveforms.meta)
    banks = filter_banks(form.sample_rate, features)
    work = partial(features_of_copies, form=form, features=features, banks=banks)
    # tee keeps the jobs that are in progress.
    begun, done = tee(jobs(clips, waveforms, settings.augment))
    own = [field.name for field in fields(CopyChanges) if field.name != "recording"]
    columns = ["key", "clip", "copy", *own, *(f"recording_{name}" for name in _RECORDED)]
    meta = {"dims": features.dims}
    if settings.augment.copies:  # else the settings change nothing
        meta["augment"] = settings.augment.model_dump(mode="json")
    with (
        StoreWriter(augmented, (sum(features.dims.values()),), meta) as store,
        closing(ordered_map(work, begun)) as results,
    ):
        progress = tqdm(results, "augment", total, unit="clip", disable=None)
        write_csv(augmented / "copies.csv", stored(done, progress, store), columns)
    if len(store) == 0:
        print("augment: no copies, because augment.copies is 0")
    else:
        print(f"augment: {len(store)} copies of {total} clips, {store.rows} frames")


if __name__ == "__main__":
    run_stage(main)
