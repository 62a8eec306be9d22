#!/bin/sh
# `dvc exp run -S` cannot empty a list that an earlier run filled where a comment stands on the list's
# line: it writes the key that follows and the first key within it on one line, and then cannot read
# what it has written.
#
# Expected: the list is empty again. Seen: "YAML file structure is corrupted", for "model: name: mlp".
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
dvc --version
echo "expected: the second run works, as the first did; seen:"
if dvc exp run -S 'split.corpora=[]' 2> error; then
    exit 1
fi
cat error
grep --quiet "model: name: mlp" error
