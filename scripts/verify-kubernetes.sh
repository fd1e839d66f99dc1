#!/usr/bin/env bash
# The manifest of `plan --k8s` against the schema of the Kubernetes API, unknown fields refused; and
# the script of its pods in a shell, where two pods train a trial together.
set -euo pipefail
cd "$(dirname "$0")/.."

there=$(mktemp -d)
trap 'rm -rf "$there"' EXIT
validate=.tools/verify/bin/kubernetes-validate

# The validator takes one object at a time.
objects() {
  python3 - "$1" <<'PYTHON'
import json, sys
whole = json.load(open(sys.argv[1]))
for i, one in enumerate(whole["items"] if whole["kind"] == "List" else [whole]):
    path = sys.argv[1].replace("list.json", f"object-{i}.json")
    json.dump(one, open(path, "w"))
    print(path)
PYTHON
}

for words in "scale=2,4 seed=0,1" "devices_per_trial=2 seed=0..9 --device cpu" \
  "devices_per_trial=4 batch=100 --pods-per-trial 2 --image images/res2lab:1"; do
  # The words are arguments of their own.
  # shellcheck disable=SC2086
  target/release/res2lab plan $words --no-time --k8s > "$there/list.json"
  objects "$there/list.json" | while read -r path; do "$validate" --strict "$path"; done
done

# The schema is there and is asked: a field with a wrong name is refused.
sed 's/completionMode/completonMode/' "$there/object-1.json" > "$there/wrong.json"
if "$validate" --strict --quiet "$there/wrong.json" 2>/dev/null; then echo "FAILED  a wrong field passes the check"; exit 1; fi
echo "ok      the Kubernetes manifest follows the API's schema"

# Two pods as two processes of this machine: the script as it stands in the manifest, with the
# variables of a pod, and this machine's name in place of the first pod's.
plan=(target/release/res2lab plan scale=2 seed=0 epochs=1 batch=500 devices_per_trial=4
      --name pods --reports "$there")
"${plan[@]}" --write >/dev/null
"${plan[@]}" --device cpu --pods-per-trial 2 --k8s "$there/pods" > "$there/list.json"
python3 - "$there/list.json" > "$there/pod.sh" <<'PYTHON'
import json, re, sys
job = json.load(open(sys.argv[1]))["items"][1]
script = job["spec"]["template"]["spec"]["containers"][0]["command"][2]
print(re.sub(r"MASTER_ADDR=.*?\)\)\.\S+", "MASTER_ADDR=localhost", script))
PYTHON
pod() { PATH=$PWD/target/release:$PATH CPUS=2 JOB_COMPLETION_INDEX=$1 sh "$there/pod.sh"; }
pod 1 & second=$!
pod 0 || { kill "$second"; echo "FAILED  a pod of a trial"; exit 1; }
wait "$second"
compgen -G "$there/pods/runs/*/result.json" >/dev/null ||
  { echo "FAILED  two pods of a trial left no result"; exit 1; }
echo "ok      two pods of a trial train it together"
