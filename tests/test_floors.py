"""The packages of ser/ are in layers (floors): each imports from lower floors only."""

from pathlib import Path

import pytest

from scripts.stage_deps import imported_names

ROOT = Path(__file__).parents[1]
FLOORS = [
    {"ser.core"},
    {
        "ser.audio",
        "ser.conditions",
        "ser.decoding",
        "ser.features",
        "ser.nets",
        "ser.parallel",
        "ser.plots",
        "ser.sources",
    },
    {"ser.inference"},
    {"ser.augment", "ser.corpora", "ser.training"},
    {"ser.cleaning", "ser.evaluation", "ser.splits", "ser.use"},
    {"scripts", "stages"},
    {"benchmarks"},
]
FLOOR = {package: number for number, floor in enumerate(FLOORS) for package in floor}
FACE = "ser/__init__.py"  # passes on `load` to programs that recognise emotions


def package_of(name):
    parts = name.split(".")
    return ".".join(parts[: 2 if parts[0] == "ser" else 1])


def files():
    for top in ("ser", "stages", "scripts", "benchmarks"):
        yield from (path.relative_to(ROOT) for path in sorted((ROOT / top).rglob("*.py")))


def test_every_package_has_a_floor():
    standing = {package_of(".".join(path.parts)) for path in files() if path.as_posix() != FACE}
    assert standing == set(FLOOR)


@pytest.mark.parametrize("path", list(files()), ids=str)
def test_a_package_imports_from_lower_floors_only(path):
    own = package_of(".".join(path.parts))
    for name in imported_names(ROOT / path):
        package = package_of(name)
        if path.as_posix() != FACE and package in FLOOR and package != own:
            assert FLOOR[package] < FLOOR[own], name


def test_stages_and_the_use_of_models_are_independent():
    for path in (ROOT / "stages").rglob("*.py"):
        assert not any(name.startswith("ser.use") for name in imported_names(path)), path
