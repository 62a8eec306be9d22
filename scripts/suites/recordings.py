"""Copy the corpus's recordings without the test clips of some experiments."""

import hashlib
import shutil
from pathlib import Path

from scripts import experiments
from scripts.suites.lists import Suite
from scripts.workspace import ROOT
from ser.core.errors import UserError
from ser.core.tables import read_csv
from ser.splits import schemes

FOLDER = ROOT / ".trials"


def hide_test_clips(suite: Suite, emobox: Path | None) -> experiments.Changes:
    """Copy the recordings of data/ that are not test clips of the experiments in a suite's list.

    The folder's name contains a digest of the recordings, so that DVC sees other params if these
    change.

    Returns:
        The params that read the recordings from that folder.

    Raises:
        UserError: an experiment is not valid; data/ has other corpora than the suite; no recording
            is left, or one is missing.
    """
    clips = read_csv(ROOT / "data/clips.csv")
    corpora = experiments.check_changes(suite.params, "the params of the suite").pull.corpora
    if set(clips["corpus"]) != set(corpora):
        raise UserError(
            f"data/ has {', '.join(sorted(set(clips['corpus'])))}, but this suite needs "
            f"{', '.join(corpora)}: set pull.corpora [{', '.join(corpora)}] and run `dvc repro`"
        )
    tested: set[str] = set()
    for name in suite.without_test_clips_of:
        changes = experiments.with_emobox(experiments.read_file(name), emobox)
        split = experiments.check_changes(changes, f"experiments/{name}.yaml").split
        for fold in schemes.make_folds(clips, split):
            tested |= {clip for clip, subset in fold.items() if subset == "test"}
    paths = clips.loc[~clips["clip"].isin(tested), "path"].tolist()
    if not paths:
        raise UserError("every clip is a test clip of one of the experiments: no clip is left")
    digest = hashlib.blake2b(digest_size=4)
    for path in paths:
        try:
            digest.update(path.encode() + (ROOT / "data/raw" / path).read_bytes())
        except OSError as error:
            raise UserError(f"data/raw/{path}: {error.strerror}; run `dvc repro` first") from None
    folder = FOLDER / f"recordings-{digest.hexdigest()}"
    for path in paths:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / "data/raw" / path, folder / path)
    return {"pull": {"sources": {corpus: f"path:{folder / corpus}" for corpus in corpora}}}
