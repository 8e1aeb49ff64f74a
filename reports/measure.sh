#!/usr/bin/env bash
# Score the bundled networks on labelled photographs and time them on this machine.
# usage: reports/measure.sh REAL_DIR [SHARDS]   (REAL_DIR: aflw2000_crops, aflw2000_full, pointing04, faces_5pt with labels.csv)
# Writes one JSON file a run beside this script; reports/README.md quotes them.
set -euo pipefail
real=$1
here=$(cd "$(dirname "$0")" && pwd)
examples=$here/../examples
export OMP_NUM_THREADS=1
for set in aflw2000_crops aflw2000_full pointing04; do
    headwise evaluate table "$real/$set" --json "$here/$set.json"
done
for set in aflw2000_crops aflw2000_full; do
    headwise evaluate table "$real/$set" --boxes detected --json "$here/$set-detected.json"
    headwise evaluate table "$real/$set" --perturb --json "$here/$set-perturbed.json"
done
headwise evaluate points5 "$real/faces_5pt" --json "$here/faces_5pt.json"
# Rendered heads that no training saw: give the folder of crop shards as second argument.
if [ $# -gt 1 ]; then
    headwise evaluate shards "$2" --json "$here/shards.json"
fi
headwise bench --picture "$examples/portrait.jpg" --repeats 400 --json "$here/bench.json"
