"""Programs as they run where some packages are not installed."""

import os
import subprocess
import sys

from scripts.workspace import ROOT

_CODE = """
import runpy, sys

absent, program = sys.argv[1].split(","), sys.argv[2]

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in absent:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Absent())
sys.argv = sys.argv[2:]
run = runpy.run_path if "/" in program else runpy.run_module
run(program, run_name="__main__")
"""


def command_without(absent, program, *arguments):
    """Return the command of a script, or a module by its name, that cannot import `absent`."""
    words = map(os.fspath, (program, *arguments))
    return [sys.executable, "-c", _CODE, ",".join(absent), *words]


def run_without(absent, program, *arguments):
    """Run a script, or a module by its name, where the modules `absent` cannot be imported."""
    command = command_without(absent, program, *arguments)
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
