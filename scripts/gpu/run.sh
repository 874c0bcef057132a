#!/usr/bin/env bash
# Runs in the folder that pack.mjs made, on the machine to be measured. Needs python3 with torch and a C++ compiler; no
# Node, no network. Unpacks Node, which builds, verifies and measures (measure.mjs) with the torch of that python3.
#
#   bash run.sh                on the GPU
#   DEVICE=cpu bash run.sh     the same on the CPU, with a small batch and few steps
#
# Results: $OUT/performance.json, $OUT/performance.md and $OUT/log.txt; OUT is results/ here unless set.
# BATCH, SESSIONS, UNITS, LAGS, STEPS and THREADS change what is measured.
set -eu
cd "$(dirname "$0")"
export DEVICE="${DEVICE:-cuda}"
export OUT="${OUT:-$PWD/results}"
work="${TMPDIR:-/tmp}/visioncore-gpu"
mkdir -p "$OUT" "$work"
python3 -c 'import lzma, shutil, sys; shutil.copyfileobj(lzma.open("node.xz"), sys.stdout.buffer)' >"$work/node"
chmod +x "$work/node"
# A cache of its own: a libtorch in the user's cache would come before the one in Python. A second run finds the addon here.
export XDG_CACHE_HOME="$work/cache"
exec "$work/node" measure.mjs
