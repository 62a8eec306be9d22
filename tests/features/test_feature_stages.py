from pathlib import Path

import numpy as np
import pytest
import yaml
from settings import FORM

from ser.augment.copies import draw_changes
from ser.core import params
from ser.core.filters import filter_banks, to_json
from ser.core.store import Store, StoreWriter
from ser.core.tables import CLIP_COLUMNS, read_rows, write_csv
from ser.features.extract import extract as features_of
from stages import augment, extract

COMMITTED = yaml.safe_load((Path(__file__).parents[2] / "params.yaml").read_text(encoding="utf-8"))
RATE = 16000
CLIPS = {f"own/{name}": f"own/sad/{name}.wav" for name in "abcd"}


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A project whose store has its clips in another order than the table, and one more."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SER_WORKERS", "1")
    crop = {"probability": 1.0, "share": [0.6, 0.9]}
    values = COMMITTED | {"augment": COMMITTED["augment"] | {"copies": 3, "crop": crop}}
    Path("params.yaml").write_text(yaml.safe_dump(values), encoding="utf-8")
    rng = np.random.default_rng(0)
    with StoreWriter(Path("clean"), (), FORM.model_dump()) as store:
        for path in ["own/sad/rejected.wav", *reversed(CLIPS.values())]:
            store.add(path, rng.uniform(-1, 1, rng.integers(9000, 12000)).astype(np.float32))
    rows = [dict.fromkeys(CLIP_COLUMNS) | {"clip": c, "path": p} for c, p in CLIPS.items()]
    write_csv(Path("clips.csv"), rows, CLIP_COLUMNS)


def test_every_clip_of_the_table_has_its_own_features(project):
    extract.main(Path("clips.csv"), Path("clean"), Path("features"))
    made, clean = Store(Path("features")), Store(Path("clean"))
    assert list(made) == list(CLIPS)
    settings = params.load().features
    banks = filter_banks(RATE, settings)
    for clip, path in CLIPS.items():
        assert np.array_equal(made[clip], features_of(clean.read(path), RATE, settings, banks))
    assert made.meta["form"] == clean.meta
    assert made.meta["filter_banks"] == to_json(banks)


def test_every_copy_has_its_row_and_its_features(project):
    augment.main(Path("clips.csv"), Path("clean"), Path("augmented"))
    made, settings = Store(Path("augmented")), params.load()
    rows = list(read_rows(Path("augmented/copies.csv")))
    assert [row["key"] for row in rows] == list(made)
    assert [row["key"] for row in rows] == [f"{c}#{n}" for c in CLIPS for n in (1, 2, 3)]
    for row in rows:
        changes = draw_changes(settings.augment, row["clip"], int(row["copy"]))
        assert row["crop_share"] == str(changes.crop_share)
        assert row["noise_seed"] == str(changes.noise_seed)
        assert row["masked_bands"] == ""
        assert row["recording_noise_seed"] == row["recording_codec"] == ""
    assert len({made[key].tobytes() for key in made}) == len(made)


def test_how_a_copy_is_recorded_anew_is_in_its_row(project):
    recording = COMMITTED["augment"]["recording"] | {"probability": 1.0}
    values = COMMITTED | {"augment": COMMITTED["augment"] | {"recording": recording}}
    Path("params.yaml").write_text(yaml.safe_dump(values), encoding="utf-8")
    augment.main(Path("clips.csv"), Path("clean"), Path("augmented"))
    for row in read_rows(Path("augmented/copies.csv")):
        changes = draw_changes(params.load().augment, row["clip"], int(row["copy"]))
        assert row["noise_seed"] == str(changes.noise_seed)
        assert row["recording_noise_seed"] == str(changes.recording.noise_seed)
        assert row["recording_codec"] == changes.recording.codec


@pytest.mark.parametrize("copies", [0, 2])
def test_without_copies_or_clips_the_tables_are_empty(project, copies):
    values = COMMITTED | {"augment": COMMITTED["augment"] | {"copies": copies}}
    Path("params.yaml").write_text(yaml.safe_dump(values), encoding="utf-8")
    if copies:
        write_csv(Path("clips.csv"), [], CLIP_COLUMNS)
    augment.main(Path("clips.csv"), Path("clean"), Path("augmented"))
    assert len(Store(Path("augmented"))) == 0
    assert list(read_rows(Path("augmented/copies.csv"))) == []
