#!/usr/bin/env bash
# Prune a pose run by 25, 50 and 70 % of its multiply-adds, fine-tune, and measure what each file costs and scores.
# usage: reports/prune.sh RUN SHARDS REAL_DIR [SAMPLES]   (REAL_DIR: aflw2000_crops, aflw2000_full with labels.csv)
# The runs are written beside RUN as RUN-pruned25 and so on; given again, it goes on where it was stopped.
# Writes prune.md beside this script: one row a file; docs/prune.md says how to read it.
set -euo pipefail
run=${1%/} shards=$2 real=$3 samples=${4:-500000}
here=$(cd "$(dirname "$0")" && pwd)
export OMP_NUM_THREADS=1
work=$run-pruning
mkdir -p "$work"

# measure RUN NAME: its float32 and int8 file, scored on photographs
measure() {
    headwise export "$1" --data "$shards" --out "$work/$2.onnx"
    headwise quantize "$work/$2.onnx" --data "$shards" --out "$work/$2-int8.onnx" --force
    for file in "$2" "$2-int8"; do
        for set in aflw2000_crops aflw2000_full; do
            headwise evaluate table "$real/$set" --model "$work/$file.onnx" --json "$work/$file-$set.json"
        done
    done
}

measure "$run" whole
for percent in 25 50 70; do
    out=$run-pruned$percent
    if [ -f "$out/last.ckpt" ]; then
        headwise train "$out/settings.json" --data "$shards" --out "$out" --resume
    else
        headwise prune "$run" --data "$shards" --out "$out" --share "0.$percent" --fine-tune-samples "$samples" \
            --unstructured | tee "$work/$percent.txt"
    fi
    measure "$out" "pruned$percent"
done

# All files are timed in one place, so that whatever else the machine does is the same for all.
python - "$work" "$here/prune.md" "$samples" <<'PYTHON'
import json
import sys
from pathlib import Path

import numpy as np

from headwise.deployment.latency import median_ms
from headwise.evaluation.report import markdown_table
from headwise.model_card import read_card

work, target, samples = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
names = [f"{name}{ending}" for name in ("whole", "pruned25", "pruned50", "pruned70") for ending in ("", "-int8")]
rows = []
for name in names:
    path = work / f"{name}.onnx"
    card = read_card(path)
    crops = np.zeros((1, *card.input["shape"][1:]), np.uint8)
    ms = min(median_ms(path, crops, calls=200) for _ in range(3))
    held_out = card.scores["held_out_renders"]["geodesic_mean_deg"]
    scores = [json.loads((work / f"{name}-aflw2000_{part}.json").read_text()) for part in ("crops", "full")]
    mae = [f"{score['mae']['mean']:.2f}" for score in scores]
    geodesic = [f"{score['geodesic']['mean']:.2f}" for score in scores]
    rows.append((name, f"{path.stat().st_size / 1e6:.2f}", f"{ms:.2f}", f"{held_out:.2f}", *mae, *geodesic))
header = ("file", "MB", "ms", "held-out renders", "crops MAE", "full MAE", "crops geodesic", "full geodesic")
parts = [f"Fine-tuned on {samples:,} samples; one thread.", markdown_table(header, rows)]
for text in sorted(work.glob("[0-9]*.txt")):
    table = [line for line in text.read_text().splitlines() if line.startswith("|")]
    parts += [f"Before fine-tuning, {text.stem} %:", "\n".join(table)]
target.write_text("\n\n".join(parts) + "\n")
PYTHON
cat "$here/prune.md"
