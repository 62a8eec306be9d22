"""Make changed copies of every clip and compute their features."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, fields
from functools import partial
from pathlib import Path
from typing import Any

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
from ser.features.extract import dims_of, extract
from ser.parallel.stored import stored_map
from stages import run_stage

_RECORDED = [field.name for field in fields(DrawnRecording)]


def make_copies(
    clip: tuple[str, ArraySlice],
    augment: sections.Augment,
    form: sections.AudioForm,
    features: sections.Features,
    banks: FilterBanks,
    dims: Mapping[str, int],
) -> tuple[list[dict[str, Any]], list[FloatArray]]:
    """Draw the changes of a clip's copies, and apply them to its waveform [samples].

    Returns:
        (row of copies.csv, features [frames, dims]) of each copy, as two lists.
    """
    name, place = clip
    waveform = place.read()
    rows, made = [], []
    for number in range(1, augment.copies + 1):
        changes = draw_changes(augment, name, number)
        copy = change_waveform(waveform, form.sample_rate, changes)
        if changes.recording is not None:
            try:
                copy = record(copy, form, changes.recording)
            except Rejected as verdict:
                raise UserError(
                    f"copy {number} of {name} is of no use ({verdict}): choose milder ranges "
                    "in params.yaml, augment"
                ) from None
        extracted = extract(copy, form.sample_rate, features, banks, power_to_db)
        made.append(change_features(extracted, dims, changes))
        own = {"key": f"{name}#{number}", "clip": name, "copy": number}
        rows.append(own | columns_of(changes))
    return rows, made


def columns_of(changes: CopyChanges) -> dict[str, Any]:
    """Return a copy's changes as columns of copies.csv."""
    columns = asdict(changes)
    recording = columns.pop("recording")
    for name in _RECORDED:  # some have the name of another change
        columns[f"recording_{name}"] = recording and recording[name]
    return columns


def stored(
    results: Iterable[tuple[list[dict[str, Any]], Sequence[FloatArray | ArraySlice]]],
    store: StoreWriter,
) -> Iterator[dict[str, Any]]:
    """Store the features of each copy; yield its row of copies.csv."""
    for rows, made in results:
        for row, array in zip(rows, made, strict=True):
            store.add(row["key"], array)
            yield row


def main(clips: Path, clean: Path, augmented: Path) -> None:
    """Write a store of the copies' features, and copies.csv: the clip and changes of each copy."""
    settings = params.load()
    features = settings.features
    total = count_rows(clips)
    waveforms = Store(clean)
    form = sections.AudioForm.model_validate(waveforms.meta)
    banks = filter_banks(form.sample_rate, features)
    dims = dims_of(features)
    work = partial(
        make_copies,
        augment=settings.augment,
        form=form,
        features=features,
        banks=banks,
        dims=dims,
    )
    wanted = read_rows(clips) if settings.augment.copies else ()
    places = ((row["clip"], waveforms.array_slice(row["path"])) for row in wanted)
    own = [field.name for field in fields(CopyChanges) if field.name != "recording"]
    columns = ["key", "clip", "copy", *own, *(f"recording_{name}" for name in _RECORDED)]
    meta: dict[str, Any] = {"dims": dims}
    if settings.augment.copies:  # else the settings change nothing
        meta["augment"] = settings.augment.model_dump(mode="json")
    with (
        StoreWriter(augmented, (sum(dims.values()),), meta) as store,
        closing(stored_map(work, places, store)) as results,
    ):
        progress = tqdm(results, "augment", total, unit="clip", disable=None)
        write_csv(augmented / "copies.csv", stored(progress, store), columns)
    if len(store) == 0:
        print("augment: no copies, because augment.copies is 0")
    else:
        print(f"augment: {len(store)} copies of {total} clips, {store.rows} frames")


if __name__ == "__main__":
    run_stage(main)
