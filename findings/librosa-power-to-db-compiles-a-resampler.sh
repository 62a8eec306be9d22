#!/bin/sh
# Importing librosa.power_to_db, three lines of NumPy, compiles numba functions of librosa's reader
# of audio files (librosa.core.audio): seconds where numba's cache is empty, as in every new
# environment. librosa.filters.mel compiles nothing.
#
# Expected: neither leaves anything in an empty cache. Seen: power_to_db does. Exits with 0 as long
# as it is so.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet librosa==0.11.0 numba==0.68.1 numpy==2.4.6 scipy==1.17.1
compiled() {
    NUMBA_CACHE_DIR="$folder/$1" "$folder/venv/bin/python" -c "$2"
    find "$folder/$1" -name '*.nbc' 2>/dev/null | wc -l
}
mel=$(compiled mel 'import librosa; librosa.filters.mel(sr=16000, n_fft=1024)')
decibels=$(compiled decibels 'import librosa; librosa.power_to_db')
echo "librosa.filters.mel: expected 0 functions compiled, seen $mel"
echo "librosa.power_to_db: expected 0 functions compiled, seen $decibels"
[ "$mel" -eq 0 ] && [ "$decibels" -gt 0 ]
