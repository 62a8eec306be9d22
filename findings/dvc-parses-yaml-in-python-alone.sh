#!/bin/sh
# ruamel.yaml 0.19 no longer asks for ruamel.yaml.clib, its parser in C, so `pip install dvc` comes
# without it. DVC then parses dvc.lock, dvc.yaml and params.yaml by a parser in Python, many times per
# command, and nothing says so.
#
# Expected: dvc's safe loader is the one in C, as with ruamel.yaml 0.18. Seen: the one in Python, until
# ruamel.yaml.clib is installed by name.
# Exits with 0 as long as it is so.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
pip="$folder/venv/bin/pip"
show() {
    "$folder/venv/bin/python" -c '
import importlib.metadata as metadata
from dvc.utils.serialize import parse_yaml
from ruamel.yaml import YAML
assert parse_yaml("stages: {train: {cmd: train}}", "dvc.lock") == {"stages": {"train": {"cmd": "train"}}}
parser = YAML(typ="safe").Parser
print("dvc", metadata.version("dvc"), "ruamel.yaml", metadata.version("ruamel.yaml"), parser.__name__)'
}
"$pip" install --quiet dvc==3.67.1 ruamel.yaml==0.18.16
show | tee "$folder/before"
"$pip" uninstall --quiet --yes ruamel.yaml ruamel.yaml.clib
"$pip" install --quiet dvc==3.67.1 ruamel.yaml==0.19.1
show | tee "$folder/after"
"$pip" install --quiet ruamel.yaml.clib==0.2.15
show | tee "$folder/by_name"
grep --quiet " CParser$" "$folder/before"
grep --quiet " Parser$" "$folder/after"
grep --quiet " CParser$" "$folder/by_name"
