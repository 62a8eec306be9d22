"""Compute the features of every clip."""

from collections.abc import Iterable, Mapping
from contextlib import closing
from functools import partial
from itertools import repeat
from pathlib import Path

import numpy as np
from librosa import power_to_db
from tqdm import tqdm

from ser.core import params, sections
from ser.core.encoders import encoder_digest
from ser.core.feature_table import read_table
from ser.core.filters import FilterBanks, filter_banks
from ser.core.kinds import TABLE
from ser.core.preprocessing import Preprocessing
from ser.core.store import ArraySlice, Store, StoreWriter
from ser.core.tables import count_rows, read_rows
from ser.core.typing import FloatArray
from ser.features.extract import dims_of, extract
from ser.parallel.stored import stored_map
from stages import run_stage

Given = Mapping[str, FloatArray]


def features_of(
    clip: tuple[str, ArraySlice, Given],
    sample_rate: int,
    features: sections.Features,
    banks: FilterBanks,
) -> tuple[str, list[FloatArray]]:
    """Read a clip's waveform [samples]; return its name and its features [frames, dims]."""
    name, place, given = clip
    return name, [extract(place.read(), sample_rate, features, banks, power_to_db, given)]


def given_rows(table: Path, clips: Path) -> FloatArray:
    """Read the rows of clips from a table: float32 [clips, columns]; print what is not used."""
    values, others = read_table(table, [row["clip"] for row in read_rows(clips)])
    if others:
        print(f"extract: {len(others)} rows of {table} are of no clip, such as {others[0]}")
    return values


def main(clips: Path, clean: Path, features: Path) -> None:
    """Write a store of features: clip -> float32 [frames, dims]."""
    settings = params.load().features
    total = count_rows(clips)
    waveforms = Store(clean)
    sample_rate = waveforms.meta["sample_rate"]
    banks = filter_banks(sample_rate, settings)
    work = partial(features_of, sample_rate=sample_rate, features=settings, banks=banks)
    dims = dims_of(settings)
    given: Iterable[Given] = repeat({}, total)
    if settings.table:
        values = given_rows(Path(settings.table), clips)
        dims[TABLE] = values.shape[1]
        given = ({TABLE: row} for row in values[:, np.newaxis])
    places = (
        (row["clip"], waveforms.array_slice(row["path"]), own)
        for row, own in zip(read_rows(clips), given, strict=True)
    )
    form = sections.AudioForm.model_validate(waveforms.meta)
    digest = encoder_digest(settings) if settings.encoder else ""
    meta = Preprocessing.of(form, settings, banks, dims, digest).model_dump(mode="json")
    with (
        StoreWriter(features, (sum(dims.values()),), meta) as store,
        closing(stored_map(work, places, store)) as results,
    ):
        for clip, (array,) in tqdm(results, "extract", total, unit="clip", disable=None):
            store.add(clip, array)
    kinds = ", ".join(f"{size} {kind}" for kind, size in dims.items())
    print(f"extract: {len(store)} clips, {store.rows} frames of {kinds} values")


if __name__ == "__main__":
    run_stage(main)
