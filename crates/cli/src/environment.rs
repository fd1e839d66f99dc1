//! Every environment variable that the program, its build and its tests read, for the reference.

/// A variable's name, what sets it, and what it does.
pub(crate) type Variable = (&'static str, &'static str, &'static str);

/// Variables by their purpose.
pub(crate) const GROUPS: [(&str, &[Variable]); 5] = [
    ("The program", PROGRAM),
    ("Trials and workers", TRIALS),
    ("Launchers and clusters", LAUNCHERS),
    ("Set-up and build", BUILD),
    ("Tests and benchmarks", TESTS),
];

const PROGRAM: &[Variable] = &[
    ("RES2LAB_DATA", "user", "Folder of data sets, as `--data`; the option has precedence."),
    ("RES2LAB_REPORTS", "user", "Folder of reports, as `--reports`; the option has precedence."),
    (
        "RES2LAB_VECTORS",
        "user",
        "Instruction set of the CPU kernels: `avx512-amx`, `avx512`, `avx512-256`, `avx2` or `plain`; by default \
         the fastest, which is measured once per machine and build.",
    ),
    ("NO_COLOR", "user", "Any text: no colors on a terminal; `--color always` has precedence."),
    ("TERM", "system", "`dumb`: no colors, as with `NO_COLOR`."),
    (
        "CUDA_VISIBLE_DEVICES",
        "user; `res2lab` for its trials",
        "GPUs that a sweep or a trial may use, in CUDA's notation.",
    ),
    (
        "HOME",
        "system",
        "Replaces `~` in `data=` and `weights=`, and contains the cache folder `.cache/res2lab` \
         where the data folder cannot be written.",
    ),
    (
        "XDG_CACHE_HOME",
        "user",
        "Contains the cache folder `res2lab` where the data folder cannot be written; by default \
         `~/.cache`.",
    ),
    (
        "TMPDIR",
        "user",
        "Contains the cache folder `res2lab` where neither `HOME` nor `XDG_CACHE_HOME` is set.",
    ),
];

const TRIALS: &[Variable] = &[
    (
        "RES2LAB_THREADS",
        "`res2lab` for its trials; the Kubernetes manifest",
        "Threads of a trial's process; if unset, the cores that this machine lets it use, divided \
         by the processes of the trial here.",
    ),
    (
        "RES2LAB_DEVICE",
        "the Kubernetes manifest",
        "`cuda` lets a trial fail where libtorch finds no GPU, in place of training on the CPU.",
    ),
    (
        "RES2LAB_OPEN_PORT",
        "`res2lab` for the first process of a trial on several devices",
        "File descriptor of the open port at which the processes meet.",
    ),
    (
        "PYTORCH_ALLOC_CONF",
        "user; `res2lab` for trials that share a GPU",
        "Settings of libtorch's allocator of GPU memory, to which a trial's part of the memory is \
         added. `expandable_segments` in it decides on these; by default they are on where `just \
         gpu-check` has passed with them.",
    ),
    ("PYTORCH_CUDA_ALLOC_CONF", "user", "The older name of `PYTORCH_ALLOC_CONF`."),
    (
        "CUDA_MPS_PIPE_DIRECTORY",
        "user; `res2lab` for trials that share a GPU with `--mps`",
        "Folder of a running Multi-Process Service. If the user sets it, none is started.",
    ),
    (
        "CUDA_MPS_LOG_DIRECTORY",
        "`res2lab` for trials that share a GPU with `--mps`",
        "Folder of the service's log.",
    ),
    (
        "RES2LAB_NODES",
        "the Kubernetes manifest, or the user",
        "Machines (or pods) that start a trial on several devices together; each starts an equal \
         part of its processes. `MASTER_ADDR` and `MASTER_PORT` must then be set.",
    ),
    (
        "RES2LAB_NODE",
        "the Kubernetes manifest, or the user",
        "Place of this machine among `RES2LAB_NODES`, from 0; 0 is the one at `MASTER_ADDR`.",
    ),
    (
        "RES2LAB_CHECKPOINT_S",
        "user",
        "Seconds of training from one checkpoint within an epoch to the next; 60 if unset.",
    ),
    (
        "RES2LAB_PATIENCE_S",
        "user",
        "Seconds for which a process of a trial waits for the others, at the start and in a step, \
         before the trial fails; 300 if unset.",
    ),
    (
        "RES2LAB_DIE_WITH_PARENT",
        "`res2lab worker` and `res2lab trial`, for processes of trials",
        "Signal that a trial's process receives when its parent ends: `TERM` or `KILL`; if unset, \
         the process outlives its parent.",
    ),
    (
        "RES2LAB_RANKS",
        "`res2lab worker`",
        "`srun` if srun starts the processes of a trial on several nodes; their ranks are then \
         read from SLURM's variables.",
    ),
    (
        "OMP_NUM_THREADS",
        "`res2lab` for its trials",
        "Threads of OpenMP in libtorch, the same number as `RES2LAB_THREADS`.",
    ),
    (
        "MKL_NUM_THREADS",
        "`res2lab` for its trials",
        "Threads of MKL in libtorch, the same number as `RES2LAB_THREADS`.",
    ),
];

const LAUNCHERS: &[Variable] = &[
    (
        "RANK",
        "torchrun, or `res2lab trial`",
        "Rank of this process among those of a trial on several devices; if unset, `res2lab trial` \
         starts all processes itself.",
    ),
    ("WORLD_SIZE", "torchrun, or `res2lab trial`", "Number of processes of a trial."),
    (
        "LOCAL_RANK",
        "torchrun",
        "Index of the GPU of this process among those that are visible; 0 if unset, an error if \
         there are not so many.",
    ),
    (
        "LOCAL_WORLD_SIZE",
        "torchrun",
        "Processes of the trial on this machine, among which the cores are divided.",
    ),
    (
        "MASTER_ADDR",
        "torchrun, `res2lab trial` or the Kubernetes manifest",
        "Address of the first process of a trial; 127.0.0.1 if unset.",
    ),
    (
        "MASTER_PORT",
        "torchrun, `res2lab trial`, `res2lab worker` or the Kubernetes manifest",
        "Port of the first process of a trial.",
    ),
    ("SLURM_PROCID", "srun", "Rank of this process, where `RES2LAB_RANKS` is `srun`."),
    ("SLURM_NTASKS", "srun", "Number of processes of a trial, where `RES2LAB_RANKS` is `srun`."),
    (
        "SLURM_LAUNCH_NODE_IPADDR",
        "srun",
        "Address of the first process of a trial, where `RES2LAB_RANKS` is `srun`.",
    ),
    (
        "SLURM_LOCALID",
        "srun",
        "Index of the GPU of this process among those of its node, where `RES2LAB_RANKS` is `srun`.",
    ),
    (
        "SLURM_NODEID",
        "srun",
        "Place of this node among those of the trial, where `RES2LAB_RANKS` is `srun`.",
    ),
    (
        "SLURM_STEP_TASKS_PER_NODE",
        "srun",
        "Processes of the trial on each node, where `RES2LAB_RANKS` is `srun`.",
    ),
    (
        "SLURM_GPU_BIND",
        "SLURM",
        "If it is set and not `none`, each process sees only its own GPUs, and takes the first.",
    ),
    ("SLURM_GPUS_PER_TASK", "SLURM", "As `SLURM_GPU_BIND`, which has precedence."),
    (
        "SLURM_JOB_GPUS",
        "SLURM",
        "GPUs of a worker's job; if libtorch finds none of them, the job fails.",
    ),
    (
        "SLURM_JOB_ID",
        "SLURM",
        "Job that `res2lab worker` puts back into the queue at its time limit.",
    ),
    (
        "SLURM_CPUS_ON_NODE",
        "SLURM",
        "Cores of a worker's job on its node, which srun divides among the processes of a trial.",
    ),
    (
        "SLURM_JOB_NUM_NODES",
        "SLURM",
        "Nodes of a worker's job; with several, srun starts the processes of a trial.",
    ),
    (
        "SLURM_ARRAY_TASK_ID",
        "SLURM",
        "Index of a worker's job in its array, which the batch script passes to `res2lab worker`.",
    ),
];

const BUILD: &[Variable] = &[
    (
        "RES2LAB_CUDA",
        "user; also a macro of the C++ shim",
        "For `just setup`: `13` (or `1`) brings libtorch with CUDA 13, `12.6` with CUDA 12.6 for \
         older drivers and cards, `0` without CUDA; by default what `nvidia-smi` says decides.",
    ),
    (
        "RES2LAB_NVIDIA_PROC",
        "tests of `just setup`",
        "Folder in which NVIDIA's driver tells its version; `/proc/driver/nvidia` if unset.",
    ),
    (
        "RES2LAB_COMMIT",
        "build script of the crate `lab`",
        "At compile time only: git commit of the sources, with `-dirty` if tracked files under \
         `crates/` differ from it.",
    ),
    ("LIBTORCH", "`.cargo/config.toml`", "At compile time only: folder of libtorch."),
    (
        "CARGO_TARGET_DIR",
        "user",
        "At compile time only: folder of what cargo builds, also for `just worked-examples`; \
         `target` if unset.",
    ),
    ("OUT_DIR", "cargo", "At compile time only: folder for what a build script writes."),
];

const TESTS: &[Variable] = &[
    (
        "RES2LAB_PRETEND_GPUS",
        "`just gpu-pretend`",
        "Number of pretend GPUs; see `crates/libtorch/pretend/README.md` for this and the next ones.",
    ),
    (
        "RES2LAB_PRETEND_MODE",
        "`just gpu-pretend`",
        "Compute mode that the stand-in for nvidia-smi tells.",
    ),
    (
        "RES2LAB_PRETEND_MPS_LOG",
        "`just gpu-pretend`",
        "File in which the stand-in for nvidia-cuda-mps-control notes how it is called.",
    ),
    ("RES2LAB_PRETEND_GPU_BYTES", "`just gpu-pretend`", "Memory of each pretend GPU."),
    (
        "RES2LAB_PRETEND_REPORT",
        "`just gpu-pretend`",
        "Folder to which each process writes what it did on pretend GPUs.",
    ),
    (
        "RES2LAB_PRETEND_SITES",
        "user",
        "1 adds call stacks of host synchronizations to that report.",
    ),
    (
        "RES2LAB_PRETEND_REFUSE_GRAPHS",
        "`just gpu-pretend`",
        "1 makes pretend GPUs fail to record a CUDA graph.",
    ),
    (
        "RES2LAB_PRETEND_DRIVER",
        "`just gpu-pretend`",
        "Driver that the stand-in for nvidia-smi tells.",
    ),
    (
        "RES2LAB_PRETEND_SMI_GPUS",
        "`just gpu-pretend`",
        "GPUs that the stand-in for nvidia-smi lists, if not `RES2LAB_PRETEND_GPUS`.",
    ),
    (
        "RES2LAB_PYTHON",
        "user",
        "Python interpreter of `just bench` and `just check-python`, with the packages that \
         `crates/bench/checks/` names; `python3` if unset.",
    ),
    (
        "RES2LAB",
        "user",
        "Binary that the scripts in `crates/bench/checks/` run; `target/release/res2lab` if unset.",
    ),
    (
        "RES2LAB_CASES",
        "user, or `just verify-long`",
        "Cases that each property test with random files draws; each test has its own default. If it is \
         set, all networks of `crates/nn/tests/golden.rs` are compared in float32, too.",
    ),
    (
        "PROPTEST_CASES",
        "user, or `just verify-long`",
        "Cases that each property test with random text draws; proptest reads it.",
    ),
    (
        "RES2LAB_SWEEPS",
        "user, or `just verify-long`",
        "Simulated sweeps of each kind in the tests of the report's statistics; 1000 if unset.",
    ),
    (
        "RES2LAB_GOLDEN",
        "user",
        "File with the expected numbers of `crates/nn/tests/golden.rs`; \
         `crates/nn/tests/golden.json` if unset.",
    ),
    (
        "RES2LAB_AUGMENT",
        "`crates/bench/checks/augment.py --check`",
        "File with the pictures and results of `crates/data/src/auto/tests.rs`; \
         `crates/data/tests/augment.json` if unset.",
    ),
    ("RES2LAB_MEANWHILE", "`.ci/run`", "Command that `just verify` runs beside its last part."),
    ("RES2LAB_FUZZ", "`scripts/fuzz.sh`", "Target of the program `fuzz`."),
    ("SCREENSHOTS", "user", "Folder for the screenshots of `scripts/verify-report.py`."),
    ("CARGO", "cargo", "Cargo's path, for the test of the architecture."),
];
