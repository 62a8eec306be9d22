"""The recordings of the corpus without some experiments' test clips."""

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
    """Copy the recordings of data/ that are not test clips of the experiments that a suite names.

    Their folder is named after them: of other recordings there are other params, which DVC sees.

    Returns:
        The params that read the recordings in that folder.

    Raises:
        UserError: an experiment is not valid; data/ holds other corpora than the suite is about;
            no recording is left, or one is missing.
    """
    clips = read_csv(ROOT / "data/clips.csv")
    corpora = experiments.check(suite.params, "the params of the suite").pull.corpora
    if set(clips["corpus"]) != set(corpora):
        raise UserError(
            f"data/ holds {', '.join(sorted(set(clips['corpus'])))}, this suite is about "
            f"{', '.join(corpora)}: set pull.corpora [{', '.join(corpora)}] and run `dvc repro`"
        )
    tested: set[str] = set()
    for name in suite.without_test_clips_of:
        changes = experiments.with_emobox(experiments.read_file(name), emobox)
        split = experiments.check(changes, f"experiments/{name}.yaml").split
        for fold in schemes.make_folds(clips, split):
            tested |= {clip for clip, subset in fold.items() if subset == "test"}
    paths = clips.loc[~clips["clip"].isin(tested), "path"].tolist()
    if not paths:
        raise UserError("every clip is a test clip of one of the experiments: none is left")
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
