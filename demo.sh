#!/usr/bin/env bash
# The whole promise on one machine without a download: draw images in the layouts of eight sources, build both
# datasets from them (and from the real images in ../shared/data where those are), publish, pretrain on the CPU, score.
set -euo pipefail
cd "$(dirname "$0")"
BIN=${BIN:-.venv/bin}
COUNT=${COUNT:-600}   # images a source
STEPS=${STEPS:-300}   # training steps
SEED=17
RUN=runs/demo
export MGLL_PUBLISH=published
shared=$(cd .. && pwd)/shared/data

echo "== 1. draw $COUNT phantoms in the layout of each of eight sources"
draw() { "$BIN/mgll-data" phantoms --layout "$1" --count "$COUNT" --out "build/phantoms/$1" --seed "$SEED"; }
for pair in "nih_cxr14 idrid" "covid19_hannover aptos2019" "rsna_pneumonia rfmid" "openi odir5k"; do
    read -r one two <<<"$pair"
    draw "$one" &
    first=$!
    draw "$two"
    wait "$first"
done

echo "== 2. build and publish both datasets"
for recipe in xray fundus; do
    MGLL_DATA=build/phantoms "$BIN/mgll-data" build --recipe "recipes/$recipe.yaml" --skip-missing
done
if [ -d "$shared" ]; then
    echo "== 2b. the same from real images"
    for recipe in real-xray real-fundus; do
        MGLL_DATA=$shared "$BIN/mgll-data" build --recipe "recipes/$recipe.yaml" --skip-missing
    done
fi

echo "== 3. pretrain a small model with the MGLL loss"
"$BIN/mgll-train" pretrain --shards published/mgll-xray published/mgll-fundus \
    --config recipes/demo-pretrain.yaml --steps "$STEPS" --seed "$SEED" --out "$RUN" --resume auto

echo "== 4. zero-shot on held-out phantoms"
"$BIN/mgll-train" evaluate "$RUN" --shards published/mgll-xray published/mgll-fundus --task zero-shot

echo
echo "What to look at:"
for name in mgll-xray mgll-fundus real-xray real-fundus; do
    if [ -d "build/$name" ]; then
        echo "  $name"
        echo "    report  build/$name/report.html"
        echo "    card    build/$name/README.md"
        echo "    stats   build/$name/stats.json   (mgll-data stats build/$name)"
    fi
done
echo "  run       $RUN   (tensorboard --logdir $RUN)"
echo "  score     $RUN/evaluation.json"
