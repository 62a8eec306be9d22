"""Write the packages and files that each stage's scripts import to its deps in dvc.yaml.

If code is missing from a stage's deps, a change of it leaves a stale result. Run this after
changing an import; the tests compare dvc.yaml with what this would write.
"""

import ast
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedSeq

PACKAGES = ("ser", "stages")
# What all parts of the project share, a package of which scripts/ uses one file more, and one of
# which the evaluation uses a part. Its files would take many lines. The price: the evaluation also
# runs again after a change of the training's code that leaves the weights as they were.
ALWAYS_WHOLE = ("ser/core", "ser/evaluation", "ser/training")


def scripts_of(stage: Mapping[str, Any], root: Path) -> list[Path]:
    """Return the scripts that a stage's commands start: `python -m stages.<name> ...`."""
    commands = stage["cmd"] if isinstance(stage["cmd"], list) else [stage["cmd"]]
    modules = [command.split()[2] for command in commands]
    return [root.joinpath(*module.split(".")).with_suffix(".py") for module in modules]


def imported_files(scripts: Sequence[Path], root: Path) -> list[str]:
    """Return scripts and all files of the repository that they import, directly or indirectly.

    Args:
        scripts: Python files below `root`.
        root: folder of the repository.

    Returns:
        Posix paths relative to `root`, sorted; packages appear as their __init__.py.
    """
    found: set[Path] = set()
    waiting = list(scripts)
    while waiting:
        file = waiting.pop()
        if file in found:
            continue
        found.add(file)
        waiting += [path for name in imported_names(file) for path in files_of(name, root)]
    return sorted(path.relative_to(root).as_posix() for path in found)


def imported_names(file: Path) -> list[str]:
    """Return the dotted names that a file imports, and `a.b.c` for `from a.b import c`."""
    names: list[str] = []
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.append(node.module)
            names += [f"{node.module}.{alias.name}" for alias in node.names]
    return names


def files_of(name: str, root: Path) -> list[Path]:
    """Return the files that an import of a dotted name runs: its packages and its module."""
    parts = name.split(".")
    if parts[0] not in PACKAGES:
        return []
    files = [root.joinpath(*parts[:i], "__init__.py") for i in range(1, len(parts) + 1)]
    files.append(root.joinpath(*parts).with_suffix(".py"))
    return [file for file in files if file.is_file()]


def group_by_package(files: Sequence[str], root: Path) -> list[str]:
    """Replace the files of a package of ser/ by the package if all of them are listed.

    Packages in ALWAYS_WHOLE are listed even if only some of their files are. Elsewhere an
    __init__.py without code is left out.
    """
    packages = {Path(*Path(file).parts[:2]) for file in files if file.count("/") > 1}
    whole = {
        package
        for package in packages
        if package.as_posix() in ALWAYS_WHOLE
        or {path.relative_to(root).as_posix() for path in (root / package).rglob("*.py")}
        <= set(files)
    }
    others = [
        file
        for file in files
        if not any(Path(file).is_relative_to(package) for package in whole)
        and not (file.endswith("/__init__.py") and _has_only_docstring(root / file))
    ]
    return sorted([*(package.as_posix() for package in whole), *others])


def _has_only_docstring(file: Path) -> bool:
    """Return whether a Python file contains only a docstring."""
    body = ast.parse(file.read_text(encoding="utf-8")).body
    return all(isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) for node in body)


def is_code(dep: str) -> bool:
    """Return whether a dep is code, a file or a package, and not data.

    >>> is_code("ser/core"), is_code("data/clips.csv")
    (True, False)
    """
    return dep.split("/")[0] in PACKAGES


def data_deps(deps: Sequence[str]) -> list[str]:
    """Return the deps that are not code."""
    return [dep for dep in deps if not is_code(dep)]


def main(root: Path) -> None:
    """Rewrite dvc.yaml in place, keeping its comments."""
    yaml = YAML()
    yaml.width = 100
    yaml.indent(mapping=2, sequence=4, offset=2)
    path = root / "dvc.yaml"
    pipeline = yaml.load(path)
    for stage in pipeline["stages"].values():
        code = group_by_package(imported_files(scripts_of(stage, root), root), root)
        deps = CommentedSeq([*data_deps(stage["deps"]), *code])
        stage["deps"] = deps
    yaml.dump(pipeline, path)


if __name__ == "__main__":
    main(Path(__file__).resolve().parents[1])
