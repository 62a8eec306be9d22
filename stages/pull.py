"""Fetch the recordings of every corpus in pull.corpora to data/raw/<corpus>."""

import shutil
import subprocess
import sys
from collections import Counter
from functools import cache, partial
from pathlib import Path
from typing import Any

from ser.core import params, sections, tables
from ser.core.errors import UserError
from ser.corpora import CORPORA, check_table, select_files
from ser.sources import addresses
from ser.sources.files import ORIGIN_FILE, Check
from stages import run_stage


def find_in_dvc_cache(md5: str) -> Path | None:
    """Return the file of DVC's cache with an MD5; None if it is not there."""
    path = _dvc_cache() / "files" / "md5" / md5[:2] / md5[2:]
    return path if path.is_file() else None


@cache
def _dvc_cache() -> Path:
    """Return the folder of DVC's cache; asked for only if a file is not in its place."""
    command = [sys.executable, "-m", "dvc", "cache", "dir"]
    found = subprocess.run(command, capture_output=True, text=True)
    return Path(found.stdout.strip() or ".dvc/cache")


def main(raw: Path, report_file: Path) -> None:
    """Fetch every corpus, remove files that its source does not have, and write a report."""
    pull = params.load().pull
    parsed = {corpus: addresses.parse_source(pull.sources[corpus]) for corpus in pull.corpora}
    _require_own_folders(raw)
    report: dict[str, Any] = {}
    for corpus, source in parsed.items():
        folder = raw / corpus
        select = partial(select_files, corpus)
        pulled = addresses.pull(
            source, folder, select, pull.verify, pull.redirect_hosts, find_in_dvc_cache
        )
        removed = addresses.prune(folder, {*pulled.files, ORIGIN_FILE})
        if removed:
            print(f"{folder}: removed {removed} files that the source does not have")
        if unused := check_table(corpus, folder, list(pulled.files)):
            print(
                f"{corpus}: columns of labels.csv that are not used: {', '.join(unused)}; "
                "clean.columns keeps those that it names"
            )
        verified = Counter(pulled.files.values())
        if source.kind == "dagshub":
            _tell_unverified(corpus, verified)
        report[corpus] = {
            "source": pull.sources[corpus],
            **({} if pulled.revision is None else {"commit": pulled.revision}),
            "files": len(pulled.files),
            "other_files": pulled.others,
            "bytes": sum((folder / path).stat().st_size for path in pulled.files),
            "verified_by_md5": verified["md5"],
            "verified_by_git_hash": verified["git_hash"],
            "verified_by_archive": verified["archive"],
            "verified_by_size": verified["size"],
            "unverified": verified["unverified"],
        }
    _remove_other_corpora(raw, pull.corpora)
    tables.write_report(report_file, report)
    for name, facts in report.items():
        left = f" ({facts['other_files']} other files left out)" if facts["other_files"] else ""
        print(
            f"{name}: {facts['files']} files, {facts['bytes'] / 1e6:.1f} MB in {raw / name}{left}"
        )


def _tell_unverified(corpus: str, verified: Counter[Check]) -> None:
    """Print how many files were not compared with a hash, as pull.verify allows."""
    loosely: dict[str, Check] = {
        "compared by their size alone": "size",
        "not verified at all": "unverified",
    }
    told = [f"{verified[check]} were {how}" for how, check in loosely.items() if verified[check]]
    if told:
        print(f"{corpus}: of {verified.total()} files, {' and '.join(told)}: see pull.verify")


def _require_own_folders(raw: Path) -> None:
    """Check that this stage made all folders, before those that are not needed are removed."""
    for path in sorted(raw.glob("*/")):
        if path.name not in CORPORA and not (path / ORIGIN_FILE).is_file():
            raise UserError(
                f"{path} was not made by this stage, which owns {raw}: move it elsewhere, and use "
                "a `path:` source to read your own recordings"
            )


def _remove_other_corpora(raw: Path, corpora: list[sections.Corpus]) -> None:
    for path in sorted(raw.iterdir()):
        if path.name in corpora:
            continue
        if path.is_dir() and not path.is_symlink():
            n = sum(not file.is_dir() for file in path.rglob("*"))
            shutil.rmtree(path)
            print(f"removed {path} with {n} files: not in pull.corpora")
        else:
            path.unlink()
            print(f"removed {path}: it belongs to no corpus")


if __name__ == "__main__":
    run_stage(main)
