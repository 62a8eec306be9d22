"""Make changed copies of every clip and compute their features."""

from dataclasses import asdict, fields
from functools import partial
from pathlib import Path

from tqdm import tqdm

from ser import params
from ser.arrays import FloatArray
from ser.augment import Draw, change_features, change_waveform, compile_changes, draw
from ser.features import extract
from ser.parallel import ordered_map, worker_count
from ser.store import Store, StoreWriter
from ser.tables import read_csv, write_csv
from stages import cli


def features_of_copy(
    job: tuple[FloatArray, Draw], sample_rate: int, features: params.Features
) -> FloatArray:
    """Change a waveform [samples] as drawn; return its features [frames, dims]."""
    waveform, changes = job
    changed = change_waveform(waveform, sample_rate, changes)
    return change_features(extract(changed, sample_rate, features), features.dims, changes)


def main(clips: Path, clean: Path, augmented: Path) -> None:
    """Write a store of the copies' features, and copies.csv: whose copy, changed how."""
    settings = params.load()
    features = settings.features
    table = read_csv(clips)
    waveforms = Store(clean)
    copies = [
        (clip, path, copy, draw(settings.augment, clip, copy))
        for clip, path in zip(table["clip"], table["path"], strict=True)
        for copy in range(1, settings.augment.copies + 1)
    ]
    work = partial(features_of_copy, sample_rate=waveforms.meta["sample_rate"], features=features)
    if copies:
        compile_changes(waveforms.meta["sample_rate"])
    jobs = ((waveforms.read(path), changes) for _, path, _, changes in copies)
    with StoreWriter(augmented, (sum(features.dims.values()),), {"dims": features.dims}) as store:
        results = ordered_map(work, jobs, worker_count())
        progress = tqdm(results, "augment", len(copies), unit="copy", disable=None)
        for (clip, _, copy, _), array in zip(copies, progress, strict=True):
            store.add(f"{clip}#{copy}", array)
    rows = [
        {"key": f"{clip}#{copy}", "clip": clip, "copy": copy, **asdict(changes)}
        for clip, _, copy, changes in copies
    ]
    columns = ["key", "clip", "copy", *(field.name for field in fields(Draw))]
    write_csv(augmented / "copies.csv", rows, columns)
    print(f"augment: {len(store)} copies of {len(table)} clips, {store.rows} frames")


if __name__ == "__main__":
    cli.run(main, "clips", "clean", "augmented")
