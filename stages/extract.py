"""Compute the features of every clip."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

from tqdm import tqdm

from ser import params
from ser.arrays import FloatArray
from ser.features import extract
from ser.parallel import ordered_map, worker_count
from ser.store import Store, StoreWriter
from ser.tables import read_csv
from stages import cli


def features_meta(clean: Store, features: params.Features) -> dict[str, object]:
    """Describe the features: what a trained model must know to make them again."""
    return {"clean": clean.meta, "features": features.model_dump(), "dims": features.dims}


def main(clips: Path, clean: Path, features: Path) -> None:
    """Write a store of features: clip -> float32 [frames, dims]."""
    settings = params.load().features
    table = read_csv(clips)
    waveforms = Store(clean)
    work = partial(extract, sample_rate=waveforms.meta["sample_rate"], features=settings)
    loaded: Iterator[FloatArray] = (waveforms.read(path) for path in table["path"])
    meta = features_meta(waveforms, settings)
    with StoreWriter(features, (sum(settings.dims.values()),), meta) as store:
        results = ordered_map(work, loaded, worker_count())
        progress = tqdm(results, "extract", len(table), unit="clip", disable=None)
        for clip, array in zip(table["clip"], progress, strict=True):
            store.add(clip, array)
    print(f"extract: {len(store)} clips, {store.rows} frames of {meta['dims']}")


if __name__ == "__main__":
    cli.run(main, "clips", "clean", "features")
