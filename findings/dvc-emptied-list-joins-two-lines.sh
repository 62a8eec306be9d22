#!/bin/sh
# `dvc exp run -S` writes a params.yaml that nobody can read any more: a list with a comment on its
# line is filled by one run and emptied by the next, and the key that follows it moves onto the line
# of its own mapping's first entry.
#
# Expected: the file as it was before both. Seen: "model: name: mlp" on one line, which is no YAML.
# Exits with 0 as long as it is so.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet dvc==3.67.1 ruamel.yaml==0.19.1
PATH="$folder/venv/bin:$PATH"
mkdir "$folder/project"
cd "$folder/project"
git init --quiet
git config user.name A
git config user.email a@example.org
dvc init --quiet
cat > params.yaml <<'YAML'
split:
  corpora: []  # tested on these
model:
  name: mlp
YAML
cat > dvc.yaml <<'YAML'
stages:
  train:
    cmd: echo trained
    params: [split, model]
YAML
git add .
git commit --quiet --message "A pipeline"
dvc exp run --quiet -S 'split.corpora=[b]'
dvc exp run --quiet -S 'split.corpora=[]' || echo "the second run failed"
dvc --version
echo "expected:"
git show HEAD:params.yaml
echo "seen:"
cat params.yaml
python - <<'PYTHON'
import sys

from ruamel.yaml import YAML, YAMLError

try:
    YAML(typ="safe").load(open("params.yaml"))
except YAMLError as error:
    print("ruamel.yaml:", str(error).splitlines()[0])
    sys.exit(0)
sys.exit(1)
PYTHON
