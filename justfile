# res2lab: `just sweep scale=2,4,6,8` trains and reports, `just test` tests. `just` alone lists everything.
set positional-arguments

res2lab := "target/release/res2lab"

# List the recipes
_default:
    @just --list --unsorted

# Train and evaluate every point of an experiment: just sweep [FILE] scale=2,4,6,8 [--name NAME]
sweep *args: _build
    @{{ res2lab }} sweep "$@"

# Show what such a sweep would consist of; trains nothing
plan *args: _build
    @{{ res2lab }} plan "$@"

# Rebuild the report and the tables of a sweep: just report NAME
report *args: _build
    @{{ res2lab }} report "$@"

# List the checkpoints that a finished sweep no longer needs, and remove them: just clean NAME --yes
clean *args: _build
    @{{ res2lab }} clean "$@"

# Save a figure of a report: just figure NAME, then just figure NAME by-axis-0 --format pdf --width 3.25in --font serif
figure *args: _build
    @{{ res2lab }} figure "$@"

# Print chosen rows and columns: just table NAME --where scale=4,8 'val_acc1>97' --format csv|md|latex|json
table *args: _build
    @{{ res2lab }} table "$@"

# Evaluate a network: just eval res2net50_26w_4s weights=FILE data=FOLDER, or just eval reports/NAME/runs/ID
eval *args: _build
    @{{ res2lab }} eval "$@"

# Name the classes of pictures: just predict res2net50_26w_4s weights=FILE a.jpg b.jpg
predict *args: _build
    @{{ res2lab }} predict "$@"

# Download published weights (just weights res2net50_26w_4s), list them, or convert a file of weights
weights *args: _build
    @{{ res2lab }} weights "$@"

# Download a published data set: just data cifar100
data *args: _build
    @{{ res2lab }} data "$@"

# Images/s that this machine reads from a folder of pictures: just pipeline FOLDER
pipeline *args: _build
    @{{ res2lab }} pipeline "$@"

# Describe a network: just model res2net50_26w_4s, just model depth=50 scale=8, just model --list
model *args: _build
    @{{ res2lab }} model "$@"

# Exact receptive fields: just rf res2net50_26w_4s, just rf scale=2,4,6,8, just rf NAME (a sweep)
rf *args: _build
    @{{ res2lab }} rf "$@"

# Images/s of a network: just speed train res2net50_26w_4s, just speed infer scale=8 stem=cifar --threads 1
speed *args: _build
    @{{ res2lab }} speed "$@"

# Describe this machine and its libtorch
env *args: _build
    @{{ res2lab }} env "$@"

# Open TensorBoard on a sweep (or on all), runs named by arm: just tensorboard [NAME] [--trials]
tensorboard *args: _tensorboard
    @.tools/tensorboard/bin/python scripts/tensorboard-view.py reports "$@"

# Write docs/reference.md: commands, fields, environment variables, columns and exit statuses, from the code
reference: _build
    @{{ res2lab }} reference > target/reference.md && mv target/reference.md docs/reference.md

# All tests that need no root, no browser and no Python torch
test: setup
    cargo test --release --workspace --tests --quiet

# The slow and the real: an interrupted sweep, TensorBoard, Chromium, DuckDB, a real SLURM (as root), Kubernetes' schema
verify: _build _tensorboard _verify-tools
    scripts/verify.sh

# Everything that reads what people bring, fuzzed with coverage: just fuzz 600, just fuzz 60 pickle tar
fuzz *args: setup
    scripts/fuzz.sh "$@"

# What takes too long for CI: ten minutes of fuzzing each reader, thousands of drawn words and files, a page of a paper, and the image of a container
verify-long *args: setup
    scripts/verify-long.sh "$@"

# Apply each worked example of CONTRIBUTING.md to a copy of the tree, and run the test that it names
worked-examples: setup
    python3 scripts/worked-examples.py

# Every path that only a GPU takes, on pretend GPUs: no GPU is needed; just gpu-pretend counts runs one group
gpu-pretend *args: _build
    scripts/gpu-pretend.sh "$@"

# The first ten minutes on a machine with a GPU: checks every path there, and times it beside PyTorch (RES2LAB_PYTHON)
gpu-check *args: _build
    python3 scripts/gpu-check.py "$@"

# Format, lint, spelling and links in the documentation
lint: _lint
    cargo doc --release --workspace --no-deps --quiet

[private]
_lint: setup _typos
    .tools/typos/bin/typos
    cargo fmt --all --check
    cargo clippy --release --workspace --all-targets --quiet
    python3 scripts/measures.py
    python3 scripts/worked-examples.py --apply

# Side by side with plain PyTorch (needs a Python with torch 2.13 and timm: RES2LAB_PYTHON): just bench, just bench sweep
bench *args: _build
    @cargo build --release --workspace --quiet
    @target/release/bench "${@:-steps}"

# Agreement with timm, torchvision, datasets, statsmodels and more (RES2LAB_PYTHON with what crates/bench/checks/*.py name)
check-python: _build
    ${RES2LAB_PYTHON:-python3} crates/bench/checks/weights.py
    ${RES2LAB_PYTHON:-python3} crates/bench/checks/programs.py
    ${RES2LAB_PYTHON:-python3} crates/bench/checks/images.py
    ${RES2LAB_PYTHON:-python3} crates/bench/checks/augment.py --check
    ${RES2LAB_PYTHON:-python3} crates/bench/checks/datasets.py
    ${RES2LAB_PYTHON:-python3} crates/bench/checks/statistics.py
    ${RES2LAB_PYTHON:-python3} crates/bench/checks/launchers.py

# libtorch into .libtorch/, once (every recipe that needs it does this)
setup:
    @scripts/setup.sh

# The first build takes minutes and shows what it does; later ones only speak up when something is wrong.
[private]
_build: setup
    @cargo build --release --workspace --bin res2lab $(test -x {{ res2lab }} && echo --quiet)

[private]
_typos:
    @test -x .tools/typos/bin/typos || { python3 -m venv .tools/typos && .tools/typos/bin/pip install --quiet --disable-pip-version-check typos==1.52.0; }

[private]
_tensorboard:
    @test -x .tools/tensorboard/bin/tensorboard || { python3 -m venv .tools/tensorboard && .tools/tensorboard/bin/pip install --quiet --disable-pip-version-check tensorboard==2.21.0 'setuptools<81' pyarrow pillow; }

[private]
_verify-tools:
    @.tools/verify/bin/python -c 'import axe_playwright_python, kubernetes_validate' 2>/dev/null || { python3 -m venv .tools/verify && .tools/verify/bin/pip install --quiet --disable-pip-version-check kubernetes-validate==1.37.0 playwright axe-playwright-python pandas duckdb polars pyarrow; }
