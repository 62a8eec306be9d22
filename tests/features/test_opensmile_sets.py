import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import opensmile
import pytest
import yaml
from settings import FORM

from ser.core.errors import UserError
from ser.core.filters import filter_banks
from ser.core.kinds import KINDS, OPENSMILE
from ser.core.preprocessing import Preprocessing
from ser.core.sections import Features
from ser.core.store import Store, StoreWriter
from ser.core.tables import CLIP_COLUMNS, write_csv
from ser.core.validation import check
from ser.features.extract import extract
from stages import extract as stage

ROOT = Path(__file__).parents[2]
RATE = 16000
SETS = [name for name, kind in KINDS.items() if kind.package == OPENSMILE]
FUNCTIONALS = opensmile.Smile(opensmile.FeatureSet.eGeMAPSv02)
NAMES = FUNCTIONALS.feature_names


def features(*kinds):
    values = {"n_fft": 1024, "win_length": 512, "hop_length": 256, "n_mels": 40, "n_mfcc": 20}
    return Features(kinds=list(kinds), **values, fmin=50.0, fmax=4000.0, top_db=80.0)


def extracted(waveform, *kinds, rate=RATE):
    f = features(*kinds)
    return extract(waveform, rate, f, {})


def egemaps(waveform, rate=RATE):
    (row,) = extracted(waveform, "egemaps", rate=rate)
    return dict(zip(NAMES, row.tolist(), strict=True))


def harmonics(frequency, rate, seconds=1.0):
    """A voiced sound that any rate from 16 kHz on holds: harmonics up to 6 kHz, louder below."""
    times = np.arange(round(seconds * rate)) / rate
    numbers = np.arange(1, int(6000 / frequency) + 1)
    sound = np.sin(2 * np.pi * frequency * numbers[:, np.newaxis] * times) / numbers[:, np.newaxis]
    return (0.2 * sound.sum(axis=0)).astype(np.float32)


def in_16_bits(samples=RATE):
    """Noise whose samples are those of a file of 16 bits, none of them 1."""
    steps = np.random.default_rng(0).integers(-20000, 20000, samples)
    return (steps / 32768).astype(np.float32)


SOUNDS = {
    "silence": np.zeros(RATE, np.float32),
    "noise": in_16_bits(),
    "a click": np.eye(1, RATE, 5000, dtype=np.float32)[0],
    "full scale": np.sign(harmonics(150, RATE)),
    "constant": np.ones(RATE, np.float32),
    "a sample": np.ones(1, np.float32),
    "10 ms": in_16_bits(160),
    "59 ms": in_16_bits(959),
    "60 ms": in_16_bits(960),
}


@pytest.mark.parametrize(
    ("kind", "name", "level"),
    [
        ("egemaps", "eGeMAPSv02", "Functionals"),
        ("compare", "ComParE_2016", "Functionals"),
        ("egemaps_lld", "eGeMAPSv02", "LowLevelDescriptors"),
        ("compare_lld", "ComParE_2016", "LowLevelDescriptors"),
    ],
)
def test_a_set_is_what_opensmile_computes(kind, name, level):
    smile = opensmile.Smile(opensmile.FeatureSet[name], opensmile.FeatureLevel[level])
    expected = smile.process_signal(in_16_bits(), RATE).to_numpy()
    found = extracted(in_16_bits(), kind)
    assert found.dtype == np.float32
    assert np.array_equal(found, expected.astype(np.float32))
    assert found.shape[1] == features(kind).dims[kind] == len(smile.feature_names)
    assert (len(found) == 1) == KINDS[kind].whole_clip


@pytest.mark.parametrize("kind", ["egemaps_lld", "compare_lld"])
def test_descriptors_have_a_frame_every_10_ms(kind):
    one, two = (len(extracted(in_16_bits(n), kind)) for n in (RATE, 2 * RATE))
    assert two - one == 100


@pytest.mark.parametrize("frequency", [110.0, 220.0])
def test_the_pitch_of_a_tone_has_its_closed_form(frequency):
    semitones = egemaps(harmonics(frequency, RATE))["F0semitoneFrom27.5Hz_sma3nz_amean"]
    assert semitones == pytest.approx(12 * np.log2(frequency / 27.5), abs=0.1)


def test_a_sample_at_full_scale_does_not_turn_into_its_opposite():
    held, full = in_16_bits(), in_16_bits()
    held[5000], full[5000] = 32767 / 32768, 1
    found, expected = egemaps(full), egemaps(held)
    assert found == expected
    raw = dict(zip(NAMES, FUNCTIONALS.process_signal(full, RATE).to_numpy()[0], strict=True))
    assert raw != expected  # so that this test can fail


def test_the_same_sound_has_the_same_loudness_at_every_rate():
    loudness = "loudness_sma3_amean"
    expected = egemaps(harmonics(150, RATE))[loudness]
    for rate in (22050, 44100, 48000):
        sound = harmonics(150, rate)
        assert egemaps(sound, rate)[loudness] == pytest.approx(expected, rel=0.01)
        raw = FUNCTIONALS.process_signal(sound, rate)[loudness].item()
        assert raw > 1.1 * expected  # so that this test can fail


@pytest.mark.parametrize("kind", SETS)
@pytest.mark.parametrize("sound", SOUNDS)
def test_any_sound_has_finite_features(sound, kind):
    found = extracted(SOUNDS[sound], kind)
    assert len(found)
    assert np.isfinite(found).all()


def test_sets_are_stacked_in_the_order_asked_for():
    f = features("compare", "functionals", "egemaps")
    banks = filter_banks(RATE, f)
    found = extract(in_16_bits(), RATE, f, banks)
    assert list(f.dims)[::2] == ["compare", "egemaps"]
    assert found.shape == (1, sum(f.dims.values()))
    assert np.array_equal(found[:, :6373], extracted(in_16_bits(), "compare"))
    assert np.array_equal(found[:, -88:], extracted(in_16_bits(), "egemaps"))


def test_extracting_leaves_the_waveform_as_it_is():
    waveform = in_16_bits()
    waveform[0] = 1
    before = waveform.copy()
    waveform.setflags(write=False)
    extracted(waveform, "egemaps")
    assert np.array_equal(waveform, before)


def test_visitors_of_a_page_who_ask_at_once_get_their_own_features():
    sounds = [harmonics(100 + 10 * n, RATE, 0.5) for n in range(12)]
    alone = [extracted(sound, "egemaps", "compare") for sound in sounds]
    with ThreadPoolExecutor(6) as threads:
        together = list(threads.map(lambda sound: extracted(sound, "egemaps", "compare"), sounds))
    for own, expected in zip(together, alone, strict=True):
        assert np.array_equal(own, expected)


@pytest.mark.parametrize("kinds", [["egemaps", "compare"], ["compare_lld"]])
def test_processes_write_the_same_bytes_in_every_run(tmp_path, monkeypatch, kinds):
    monkeypatch.chdir(tmp_path)
    values = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    values["features"]["kinds"] = kinds
    values["model"] |= {"name": "conv1d" if KINDS[kinds[0]].own_frames else "mlp"}
    values["model"]["crop"]["probability"] = 0.0
    Path("params.yaml").write_text(yaml.safe_dump(values), encoding="utf-8")
    clips = [f"own/{name}" for name in "abc"]
    with StoreWriter(Path("clean"), (), FORM.model_dump()) as store:
        for number, clip in enumerate(clips):
            store.add(clip, harmonics(110 + 40 * number, RATE, 0.5))
    rows = [dict.fromkeys(CLIP_COLUMNS) | {"clip": clip, "path": clip} for clip in clips]
    write_csv(Path("clips.csv"), rows, CLIP_COLUMNS)
    made = {}
    for run, workers in (("first", 1), ("again", 1), ("parallel", 2)):
        monkeypatch.setenv("SER_WORKERS", str(workers))
        stage.main(Path("clips.csv"), Path("clean"), Path(run))
        made[run] = {path.name: path.read_bytes() for path in Path(run).iterdir()}
    assert made["first"] == made["again"] == made["parallel"]
    assert Store(Path("first")).meta["packages"] == {OPENSMILE: opensmile.__version__}


@pytest.mark.parametrize("packages", [None, {"opensmile": "2.5.0"}])
def test_what_computed_the_features_is_described_where_a_package_did(packages):
    f = features("egemaps" if packages else "zcr")
    made = Preprocessing.of(FORM, f, filter_banks(RATE, f))
    values = made.model_dump(mode="json")
    if packages is None:
        assert "packages" not in values
    else:
        assert values["packages"] == {"opensmile": opensmile.__version__}
        values["packages"] = packages
        assert check(Preprocessing, values).packages == packages
        del values["packages"]
        with pytest.raises(ValueError, match="which do not compute"):
            check(Preprocessing, values)


def test_opensmile_hears_up_to_8_khz_whatever_fmax_is():
    f = features("egemaps")
    made = Preprocessing.of(FORM, f, filter_banks(RATE, f))
    assert f.fmax == 4000
    assert made.highest_hertz == 8000


WITHOUT = """
import sys
class Absent:
    def find_spec(self, name, path=None, target=None):
        if name == "opensmile":
            raise ModuleNotFoundError("No module named 'opensmile'", name=name)
sys.meta_path.insert(0, Absent())
import numpy as np
from ser.core.errors import UserError
from ser.features.opensmile_sets import compute_set
try:
    compute_set("egemaps", np.zeros(16000, np.float32), 16000)
except UserError as error:
    print(error)
"""


def test_without_the_package_a_sentence_says_what_to_install():
    command = [sys.executable, "-c", WITHOUT]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == (
        "features.kinds [egemaps] needs opensmile, which is not installed: "
        "pip install -c requirements/constraints.txt '.[opensmile]'\n"
    )


def test_a_package_that_is_not_installed_is_named_before_any_work():
    from ser.core.extras import package_versions

    with pytest.raises(UserError, match="this needs nonesuch, which is not installed: pip install"):
        package_versions(["numpy", "nonesuch"], "this")
