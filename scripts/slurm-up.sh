#!/usr/bin/env bash
# A SLURM cluster on this machine for tests: one controller, and NODES virtual nodes on loopback.
#   slurm-up.sh [NODES=2] [CPUS_PER_NODE=1]     starts the cluster unless it runs; needs root and
#                                               Debian's slurm-wlm
#   slurm-up.sh down                            stops the controller and the nodes
# After the start, sinfo, sbatch, squeue and scontrol work as on any cluster. Jobs of the partition
# "urgent" preempt jobs of the default partition "debug", which are requeued.
set -euo pipefail
state=/var/spool/slurm-test
if [ "${1:-}" = down ]; then
  for f in "$state"/*.pid; do [ -e "$f" ] && kill "$(cat "$f")" 2>/dev/null || true; done
  exit 0
fi
nodes=${1:-2} cpus=${2:-1}
command -v slurmctld >/dev/null || { apt-get update -qq; DEBIAN_FRONTEND=noninteractive apt-get install -y -qq slurm-wlm munge; }
if cluster=$(timeout 5 scontrol show config 2>/dev/null | sed -n 's/^ClusterName *= *//p') && [ -n "$cluster" ]; then
  [ "$cluster" = res2lab-test ] || { echo "slurm-up.sh: this machine belongs to the cluster '$cluster'; refusing" >&2; exit 1; }
  echo "slurm is up"; sinfo; exit 0
fi
if [ -e /etc/slurm/slurm.conf ] && ! grep -q '^ClusterName=res2lab-test$' /etc/slurm/slurm.conf; then
  echo "slurm-up.sh: /etc/slurm/slurm.conf is not ours; refusing" >&2; exit 1
fi
host=$(hostname -s)
rm -rf "$state"                                   # each start begins without earlier jobs
mkdir -p "$state" /etc/slurm /run/munge && chown munge: /run/munge
{
  echo "ClusterName=res2lab-test"
  echo "SlurmctldHost=$host(127.0.0.1)"
  echo "SlurmUser=root"
  echo "AuthType=auth/munge"
  echo "ProctrackType=proctrack/pgid"
  echo "TaskPlugin=task/none"
  echo "SelectType=select/cons_tres"
  echo "SelectTypeParameters=CR_Core"
  echo "StateSaveLocation=$state/ctld"
  echo "SlurmdSpoolDir=$state/%n"
  echo "SlurmctldPidFile=$state/slurmctld.pid"
  echo "SlurmdPidFile=$state/%n.pid"
  echo "SlurmctldLogFile=$state/slurmctld.log"
  echo "SlurmdLogFile=$state/%n.log"
  echo "AccountingStorageType=accounting_storage/none"
  echo "ReturnToService=2"
  echo "PreemptType=preempt/partition_prio"
  echo "PreemptMode=REQUEUE"
  echo "MinJobAge=60"
  for i in $(seq "$nodes"); do
    echo "NodeName=n$i NodeHostname=$host NodeAddr=127.0.0.1 Port=$((17000 + i)) CPUs=$cpus RealMemory=4000 State=UNKNOWN"
  done
  echo "PartitionName=debug Nodes=n[1-$nodes] Default=YES MaxTime=INFINITE PriorityTier=1 State=UP"
  echo "PartitionName=urgent Nodes=n[1-$nodes] MaxTime=INFINITE PriorityTier=10 PreemptMode=OFF State=UP"
} > /etc/slurm/slurm.conf
pgrep -x munged >/dev/null || runuser -u munge -- /usr/sbin/munged
mkdir -p "$state/ctld"
slurmctld || { tail -3 "$state/slurmctld.log" >&2; exit 1; }
for i in $(seq "$nodes"); do mkdir -p "$state/n$i"; slurmd -N "n$i"; done
for _ in $(seq 20); do [ "$(sinfo -h -t idle -o %D | head -1)" = "$nodes" ] && break; sleep 1; done
sinfo
