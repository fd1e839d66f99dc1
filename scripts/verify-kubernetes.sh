#!/usr/bin/env bash
# The manifest of `plan --k8s` against the schema of the Kubernetes API, unknown fields refused.
set -euo pipefail
cd "$(dirname "$0")/.."

there=$(mktemp -d)
trap 'rm -rf "$there"' EXIT
validate=.tools/verify/bin/kubernetes-validate

for words in "scale=2,4 seed=0,1" "devices_per_trial=2 seed=0..9"; do
  # shellcheck disable=SC2086 -- the words are arguments of their own.
  target/release/res2lab plan $words --no-time --k8s > "$there/job.json"
  "$validate" --strict "$there/job.json"
done

# The schema is there and is asked: a field with a wrong name is refused.
sed 's/completionMode/completonMode/' "$there/job.json" > "$there/wrong.json"
if "$validate" --strict --quiet "$there/wrong.json" 2>/dev/null; then echo "FAILED  a wrong field passes the check"; exit 1; fi
echo "ok      the Kubernetes manifest follows the API's schema"
