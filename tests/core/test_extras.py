import re
import sys
import tomllib
from importlib.metadata import packages_distributions

import pytest
from absent import run_without

from scripts.stage_deps import imported_names
from scripts.workspace import ROOT
from ser.core.extras import EXTRAS, needed_by

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
OWN = {"ser", "stages", "scripts"}
STANDARD = {*sys.stdlib_module_names, "_typeshed"}


def named(requirements):
    return {re.sub(r"[-_.]+", "-", name).lower() for name in requirements}


PACKAGES = packages_distributions()  # which reads about everything that is installed


def distributions(module):
    return named(PACKAGES.get(module, ()))


def test_every_import_is_of_a_package_that_is_asked_for():
    base = named(PROJECT["dependencies"])
    for folder in OWN:
        for file in (ROOT / folder).rglob("*.py"):
            for module in {name.partition(".")[0] for name in imported_names(file)}:
                if module not in {*OWN, *EXTRAS, *STANDARD}:
                    assert distributions(module) & base, (module, file)


@pytest.mark.parametrize(("module", "extra"), EXTRAS.items())
def test_an_extra_brings_the_package_that_it_is_named_for(module, extra):
    assert distributions(module) & named(PROJECT["optional-dependencies"][extra])


@pytest.mark.parametrize(
    ("absent", "program", "extra"),
    [
        ("optuna", "scripts.tune", "tune"),
        ("pyroomacoustics", "scripts.robustness", "robustness"),
    ],
)
def test_a_script_names_the_extra_that_is_missing(absent, program, extra):
    done = run_without([absent], program)
    assert done.returncode == 1
    assert done.stderr == (
        f"error: this needs {absent}, which is not installed: "
        f"pip install -c requirements/constraints.txt '.[{extra}]'\n"
    )


def test_a_module_of_our_own_that_is_missing_is_no_mistake_of_the_user():
    with pytest.raises(ModuleNotFoundError), needed_by("this"):
        raise ModuleNotFoundError("No module named 'ser.nothing'", name="ser.nothing")
