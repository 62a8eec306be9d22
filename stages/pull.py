"""Bring the recordings of every corpus in pull.corpora into data/raw/<corpus>."""

import shutil
from collections import Counter
from pathlib import Path
from typing import Any, get_args

from ser import params, tables
from ser.corpora import sources
from ser.corpora.files import MARK
from ser.errors import UserError
from stages import cli


def main(raw: Path, metrics: Path) -> None:
    """Pull every corpus, remove what no source has, and write what was pulled."""
    pull = params.load().pull
    parsed = {corpus: sources.parse(pull.sources[corpus]) for corpus in pull.corpora}
    _refuse_strangers(raw)
    report: dict[str, Any] = {}
    for corpus, source in parsed.items():
        folder = raw / corpus
        pulled = sources.bring(source, folder, pull.verify, pull.redirect_hosts)
        removed = sources.prune(folder, {*pulled.files, MARK})
        if removed:
            print(f"{folder}: removed {removed} files that the source does not have")
        verified = Counter(pulled.files.values())
        report[corpus] = {
            "source": pull.sources[corpus],
            "commit": pulled.commit,
            "files": len(pulled.files),
            "bytes": sum((folder / path).stat().st_size for path in pulled.files),
            "verified_by_md5": verified["md5"],
            "verified_by_git_hash": verified["git_hash"],
            "verified_by_size": verified["size"],
            "unverified": verified["unverified"],
        }
    _remove_other_corpora(raw, pull.corpora)
    tables.write_json(metrics, report)
    for name, facts in report.items():
        print(f"{name}: {facts['files']} files, {facts['bytes'] / 1e6:.1f} MB in {raw / name}")


def _refuse_strangers(raw: Path) -> None:
    """Stop before a folder is removed that this stage cannot have made."""
    for path in sorted(raw.glob("*/")):
        if path.name not in get_args(params.Corpus):
            raise UserError(
                f"{path} is no corpus that is known, and everything in {raw} is made by this "
                "stage: move it elsewhere, and use a `path:` source to read recordings of your own"
            )


def _remove_other_corpora(raw: Path, corpora: list[params.Corpus]) -> None:
    for path in sorted(raw.iterdir()):
        if path.name in corpora:
            continue
        if path.is_dir() and not path.is_symlink():
            n = sum(not file.is_dir() for file in path.rglob("*"))
            shutil.rmtree(path)
            print(f"removed {path} with {n} files: not in pull.corpora")
        else:
            path.unlink()
            print(f"removed {path}: of no corpus")


if __name__ == "__main__":
    cli.run(main, "raw", "metrics")
