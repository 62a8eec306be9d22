"""What all tests share."""

import os
from pathlib import Path

import pytest
import torch

from scripts.workspace import ROOT

# What starts dvc, servers, browsers or trainings, or takes seconds: `make check` leaves it out.
SLOW = (
    *("parallel", "sources", "use"),
    *("augment/test_augment.py", "corpora/test_emodb.py", "corpora/test_four_corpora.py"),
    *("corpora/test_own_emotions.py", "decoding/test_fuzz.py", "splits/test_splits.py"),
    *(
        "cleaning/test_clean.py",
        "core/test_extras.py",
        "decoding/test_codecs.py",
        "decoding/test_cut_files.py",
    ),
    *("evaluation/test_card.py", "nets/test_models.py", "plots", "training/test_recorded.py"),
    *("training/test_devices.py", "training/test_folds.py", "training/test_progress.py"),
    *("training/test_tracking.py", "training/test_train_stage.py", "training/test_training.py"),
    *("test_container.py", "test_demo.py", "test_dvc_files.py", "test_experiments.py"),
    *(
        "test_extending.py",
        "test_given_tables.py",
        "test_gpu_benchmark.py",
        "test_pipeline.py",
        "test_readme.py",
    ),
    *("test_real_aesdd.py", "test_report.py", "test_scale.py", "test_sharing.py"),
    *("test_suites.py",),
)


def pytest_ignore_collect(collection_path, config):
    folder = Path(__file__).parent
    if "not slow" in config.option.markexpr:
        # Not even imported, which would take as long as the other tests.
        return any(collection_path.is_relative_to(folder / each) for each in SLOW) or None
    return None


# Test processes begin with these, in this order, and end with the short files, so that none is left
# alone with a long one. The first one runs the stages whose results others find in `stage_results`,
# while another process is busy with the second.
LONGEST = ("test_pipeline.py", "corpora", "test_experiments.py", "test_suites.py", "use")


def pytest_collection_modifyitems(items):
    folder = Path(__file__).parent

    def place(item, parts):
        places = (n for n, part in enumerate(parts) if item.path.is_relative_to(folder / part))
        return next(places, len(parts))

    items.sort(key=lambda item: (place(item, LONGEST), place(item, SLOW) == len(SLOW)))


# A user's server is not for the runs of tests.
os.environ.pop("SER_MLFLOW_URI", None)

# librosa's compiled functions are cached on disk, and two processes that fill one cache at the same
# time damage it: each test process has a cache of its own, and so have the programs it starts.
_WORKER = os.environ.get("PYTEST_XDIST_WORKER", "alone")
os.environ["NUMBA_CACHE_DIR"] = str(ROOT / ".pytest_cache" / f"numba-{_WORKER}")


@pytest.fixture(scope="module")
def one_thread():
    """Nets this small are slower on several threads, by far on a busy machine."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def stage_results(tmp_path_factory):
    """A DVC cache for the small projects of all test processes: what one has run is there."""
    own = tmp_path_factory.getbasetemp()
    return (own if _WORKER == "alone" else own.parent) / "stage_results"
