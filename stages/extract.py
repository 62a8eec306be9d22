"""Compute the features of every clip."""

from contextlib import closing
from functools import partial
from itertools import tee
from pathlib import Path

from librosa import power_to_db
from tqdm import tqdm

from ser.core import params, sections
from ser.core.filters import FilterBanks, filter_banks
from ser.core.preprocessing import Preprocessing
from ser.core.store import ArraySlice, Store, StoreWriter
from ser.core.tables import count_rows, read_rows
from ser.core.typing import FloatArray
from ser.features.extract import extract
from ser.parallel import ordered_map
from stages import run_stage


def features_of(
    place: ArraySlice, sample_rate: int, features: sections.Features, banks: FilterBanks
) -> FloatArray:
    """Read a waveform [samples]; return its features [frames, dims]."""
    return extract(place.read(), sample_rate, features, banks, power_to_db)


def main(clips: Path, clean: Path, features: Path) -> None:
    """Write a store of features: clip -> float32 [frames, dims]."""
    settings = params.load().features
    total = count_rows(clips)
    waveforms = Store(clean)
    sample_rate = waveforms.meta["sample_rate"]
    banks = filter_banks(sample_rate, settings)
    work = partial(features_of, sample_rate=sample_rate, features=settings, banks=banks)
    rows, same = tee(read_rows(clips))  # tee keeps the rows that are in progress
    places = (waveforms.array_slice(row["path"]) for row in rows)
    form = sections.AudioForm.model_validate(waveforms.meta)
    meta = Preprocessing.of(form, settings, banks).model_dump(mode="json")
    with (
        StoreWriter(features, (sum(settings.dims.values()),), meta) as store,
        closing(ordered_map(work, places)) as results,
    ):
        progress = tqdm(results, "extract", total, unit="clip", disable=None)
        for row, array in zip(same, progress, strict=True):
            store.add(row["clip"], array)
    kinds = ", ".join(f"{size} {kind}" for kind, size in settings.dims.items())
    print(f"extract: {len(store)} clips, {store.rows} frames of {kinds} values")


if __name__ == "__main__":
    run_stage(main)
