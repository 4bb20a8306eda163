"""The files of a cluster on this host: SLURM's configuration, GPUs, names of nodes, tools."""

import os
import shutil
import socket
import stat
from pathlib import Path

NODES = ("node1", "node2")
CPUS, GPUS, MEMORY_MB = 8, 2, 32000
MODEL = "fake"  # of GPUs
PARTITIONS = """\
PartitionName=main Nodes=ALL Default=YES MaxTime=240 State=UP PriorityTier=1
PartitionName=short Nodes=ALL MaxTime=2 State=UP PriorityTier=1
PartitionName=urgent Nodes=ALL MaxTime=240 State=UP PriorityTier=10 PreemptMode=OFF
"""


def write(folder: Path, ports: dict[str, int], munge: Path, accounting: bool) -> None:
    """Write all that daemons and clients read.

    Args:
        folder: of the cluster.
        ports: of each daemon.
        munge: socket.
        accounting: whether jobs are written down by slurmdbd, or nowhere.
    """
    (folder / "munge.key").write_bytes(os.urandom(128))
    (folder / "munge.key").chmod(0o600)
    for name in ("state", *NODES):
        (folder / name).mkdir()
    known = Path("/etc/hosts").read_text()
    (folder / "hosts").write_text(f"{known}\n127.0.0.1 {' '.join(NODES)}\n")
    _write_gpus(folder)
    _write_slurm(folder, ports, munge, accounting)
    if accounting:
        _write_slurmdbd(folder, ports, munge)
    # The executor's inner srun loses SLURM_CONF, which real sites do without.
    tools = folder / "bin"
    tools.mkdir()
    srun = tools / "srun"
    real = shutil.which("srun")
    srun.write_text(f'#!/bin/sh\nSLURM_CONF={folder}/slurm.conf exec {real} "$@"\n')
    srun.chmod(0o755)


def _write_gpus(folder: Path) -> None:
    """Make device nodes with no device behind them, and tell SLURM that they are GPUs."""
    (folder / "gpus").mkdir()
    lines = []
    for node in NODES:
        for number in range(GPUS):
            device = folder / "gpus" / f"{node}-gpu{number}"
            os.mknod(device, 0o666 | stat.S_IFCHR, os.makedev(1, 3))  # /dev/null's numbers
        lines.append(
            f"NodeName={node} Name=gpu Type={MODEL} "
            f"File={folder}/gpus/{node}-gpu[0-{GPUS - 1}] AutoDetect=off"
        )
    (folder / "gres.conf").write_text("\n".join(lines) + "\n")


def _write_slurm(folder: Path, ports: dict[str, int], munge: Path, accounting: bool) -> None:
    nodes = "\n".join(
        f"NodeName={node} NodeHostname={socket.gethostname()} NodeAddr=127.0.0.1 "
        f"Port={ports[node]} CPUs={CPUS} RealMemory={MEMORY_MB} Gres=gpu:{MODEL}:{GPUS}"
        for node in NODES
    )
    accounts = f"""\
AccountingStorageType=accounting_storage/slurmdbd
AccountingStorageHost=127.0.0.1
AccountingStoragePort={ports["slurmdbd"]}
AccountingStoragePass={munge}
AccountingStorageTRES=gres/gpu,gres/gpu:{MODEL}
AccountingStorageEnforce=associations,limits,qos
AccountingStoreFlags=job_comment"""
    if not accounting:
        accounts = "AccountingStorageType=accounting_storage/none"
    (folder / "slurm.conf").write_text(
        f"""\
ClusterName=valley
SlurmctldHost={socket.gethostname()}(127.0.0.1)
SlurmctldPort={ports["slurmctld"]}
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={munge}
CredType=cred/munge
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/%n/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/%n.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
SwitchType=switch/none
ReturnToService=2
SchedulerType=sched/backfill
SchedulerParameters=sched_interval=5,bf_interval=5,sched_min_interval=100000
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
SlurmdParameters=config_overrides
GresTypes=gpu
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=2
JobAcctGatherParams=OverMemoryKill
{accounts}
SlurmdTimeout=15
SlurmctldTimeout=10
InactiveLimit=0
KillWait=5
MinJobAge=300
{nodes}
{PARTITIONS}"""
    )


def _write_slurmdbd(folder: Path, ports: dict[str, int], munge: Path) -> None:
    (folder / "slurm.sql").write_text(
        "CREATE DATABASE IF NOT EXISTS slurm;\n"
        "CREATE USER IF NOT EXISTS slurm@'127.0.0.1' IDENTIFIED BY 'slurm';\n"
        "GRANT ALL ON slurm.* TO slurm@'127.0.0.1';\n"
    )
    slurmdbd = folder / "slurmdbd.conf"
    slurmdbd.write_text(
        f"""\
AuthType=auth/munge
AuthInfo=socket={munge}
DbdHost=localhost
DbdAddr=127.0.0.1
DbdPort={ports["slurmdbd"]}
SlurmUser=root
LogFile={folder}/slurmdbd.log
PidFile={folder}/slurmdbd.pid
StorageType=accounting_storage/mysql
StorageHost=127.0.0.1
StoragePort={ports["mariadb"]}
StorageUser=slurm
StoragePass=slurm
StorageLoc=slurm
"""
    )
    slurmdbd.chmod(0o600)
