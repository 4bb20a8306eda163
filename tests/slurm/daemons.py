"""A real SLURM on this host: every daemon, in a private folder, gone when it stops.

Two nodes (two slurmd), slurmctld, slurmdbd with a MariaDB of its own, munge with a key of its own,
and GPUs that are device nodes without a device behind them. Nothing lies outside the folder, ports
are free ones, and clients are pointed at it by SLURM_CONF, so that a SLURM or a MariaDB that the
host already has is neither read nor touched. Debian as root, packages as in `PACKAGES`.

    python tests/slurm/daemons.py COMMAND…     runs a command in a cluster that lasts as long
"""

import contextlib
import ctypes
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import configuration
from configuration import NODES

PACKAGES = (
    *("munge", "mariadb-server", "slurm-client", "slurmctld", "slurmd", "slurmdbd"),
    "slurm-wlm-mysql-plugin",
)
ACCOUNT = "study"
PREFIX = "valley-slurm-"  # of folders and users


def missing() -> str:
    """Return why a cluster can't be had on this host; empty if it can."""
    if os.geteuid() != 0:
        return "not root"
    if not Path("/etc/debian_version").is_file() or not shutil.which("apt-get"):
        return "not Debian"
    return ""


def install() -> None:
    """Install what is missing of the packages, without starting anything that they bring."""
    wanted = [name for name in PACKAGES if not _installed(name)]
    if not wanted:
        return
    policy = Path("/usr/sbin/policy-rc.d")  # Debian's way to say: start no service now
    ours = not policy.exists()
    if ours:
        policy.write_text("#!/bin/sh\nexit 101\n")
        policy.chmod(0o755)
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    get = ["apt-get", "-q", "-y", "-o", "DPkg::Lock::Timeout=120"]
    try:
        subprocess.run([*get, "update"], check=True, env=environment, stdout=subprocess.DEVNULL)
        subprocess.run(
            [*get, "install", "--no-install-recommends", *wanted],
            check=True,
            env=environment,
            stdout=subprocess.DEVNULL,
        )
    finally:
        if ours:
            policy.unlink()


class Cluster:
    """A running cluster; `environment` is what a client needs to be one of it.

    Attributes:
        folder: everything of the cluster; readable by all users.
        accounting: whether there is a slurmdbd, with its MariaDB.
        environment: variables for commands that talk to it.
    """

    def __init__(self, folder: Path, accounting: bool = True):
        self.folder, self.accounting = folder, accounting
        self._daemons: dict[str, subprocess.Popen] = {}
        self._people: list[str] = []
        ports = iter(_free_ports(4 + len(NODES)))
        names = ("mariadb", "slurmdbd", "slurmctld", *NODES)
        self._ports = {name: next(ports) for name in names}
        tools = folder / "bin"
        self.environment = {
            **{name: value for name, value in os.environ.items() if "SLURM" not in name},
            "SLURM_CONF": str(folder / "slurm.conf"),
            "PATH": f"{tools}:{os.environ['PATH']}",
            "VALLEY_REHEARSE_GPUS": "1",  # the cluster's GPUs are nodes without a device
        }

    # --- up and down ---

    def start(self) -> None:
        """Start every daemon, each when those that it needs answer."""
        configuration.write(self.folder, self._ports, self._munge, self.accounting)
        self.start_munge()
        if self.accounting:
            self.start_mariadb()
            self.start_slurmdbd()
            self.command("sacctmgr", "-i", "add", "cluster", "valley")
            self.command("sacctmgr", "-i", "add", "account", ACCOUNT, "cluster=valley")
            self.add_user("root")
        self.start_slurmctld()
        for node in NODES:
            self.start_node(node)
        self.until(lambda: self.command("sinfo", "-h", "-o", "%D %T").strip() == "2 idle", 90)

    def stop(self) -> None:
        """Cancel every job, stop every daemon, remove the folder."""
        with contextlib.suppress(subprocess.SubprocessError, TimeoutError):
            self.command("scancel", "--user=root", check=False)
            jobs = self.command("squeue", "-h", "-o", "%i", check=False).split()
            if jobs:
                self.command("scancel", *jobs, check=False)
            self.until(lambda: not self.command("squeue", "-h", check=False), 15)
        for name in reversed(list(self._daemons)):
            self.halt(name, signal.SIGKILL if name in NODES else signal.SIGTERM)
        for name in self._people:
            subprocess.run(["userdel", name], check=True, capture_output=True)
        shutil.rmtree(self.folder)

    def halt(self, name: str, with_signal: int = signal.SIGTERM) -> None:
        """Stop one daemon, or with SIGKILL let it crash."""
        daemon = self._daemons.pop(name)
        daemon.send_signal(with_signal)
        try:
            daemon.wait(20)
        except subprocess.TimeoutExpired:
            daemon.kill()
            daemon.wait()

    def start_munge(self) -> None:
        self._start(
            "munged",
            *("munged", "--foreground", "--force", f"--socket={self._munge}"),
            *(f"--key-file={self.folder}/munge.key", f"--pid-file={self.folder}/munged.pid"),
            *(f"--log-file={self.folder}/munged.log", f"--seed-file={self.folder}/munged.seed"),
        )
        self.until(self._munge.exists, 10)

    def start_mariadb(self) -> None:
        data = self.folder / "mariadb"
        if not data.exists():
            subprocess.run(
                [
                    *("mariadb-install-db", "--no-defaults", "--user=root", f"--datadir={data}"),
                    *("--skip-test-db", "--auth-root-authentication-method=normal"),
                ],
                check=True,
                stdout=subprocess.DEVNULL,
            )
        port = self._ports["mariadb"]
        self._start(
            "mariadbd",
            *("mariadbd", "--no-defaults", "--user=root", f"--datadir={data}", f"--port={port}"),
            *(f"--socket={self.folder}/mariadb.sock", f"--pid-file={self.folder}/mariadb.pid"),
            *("--bind-address=127.0.0.1", f"--init-file={self.folder}/slurm.sql"),
            *("--innodb-buffer-pool-size=64M", "--innodb-flush-log-at-trx-commit=0"),
        )
        self._until_port("mariadb")

    def start_slurmdbd(self) -> None:
        """Start the accounting daemon (the path of its file can only be given by SLURM_CONF)."""
        self._start("slurmdbd", "slurmdbd", "-D")
        self._until_port("slurmdbd")

    def start_slurmctld(self) -> None:
        self._start("slurmctld", "slurmctld", "-D", "-f", self.environment["SLURM_CONF"])
        self.until(lambda: "is UP" in self.command("scontrol", "ping", check=False), 60)

    def start_node(self, name: str) -> None:
        """Start a node: processes of its own that end with it, and a file of the nodes' names."""
        daemon = ("slurmd", "-D", "-N", name, "-f", self.environment["SLURM_CONF"])
        apart = ("unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc")
        hosts = 'mount --bind "$0" /etc/hosts && exec "$@"'
        self._start(name, *apart, "sh", "-c", hosts, str(self.folder / "hosts"), *daemon)

    def crash_node(self, name: str) -> None:
        """Let a node die with everything that runs on it."""
        self.halt(name, signal.SIGKILL)

    # --- asking ---

    def command(self, *arguments: str, check: bool = True) -> str:
        """Run a client command and return what it printed."""
        done = subprocess.run(
            arguments, env=self.environment, capture_output=True, text=True, timeout=60
        )
        if check and done.returncode:
            raise RuntimeError(f"{' '.join(arguments)}: {done.stdout}{done.stderr}")
        return done.stdout

    def add_user(self, name: str) -> None:
        """Let a user of this host charge the account."""
        self.command("sacctmgr", "-i", "add", "user", name, f"account={ACCOUNT}", "cluster=valley")

    def make_user(self) -> tuple[str, Path]:
        """Make an ordinary user with an account and a home in the folder; return name and home."""
        name = f"{PREFIX}{os.getpid()}"
        home = self.folder / "home"
        subprocess.run(["useradd", "--no-create-home", "-d", str(home), name], check=True)
        self._people.append(name)
        home.mkdir()
        shutil.chown(home, name, name)
        self.add_user(name)
        return name, home

    def jobs(self) -> list[dict[str, str]]:
        """Return every job that the accounting knows, oldest first; none where there is none.

        The controller reports jobs to the accounting a little later: what it knows is waited for.
        """
        if not self.accounting:
            return []
        known = set(self.command("squeue", "-h", "-t", "all", "-o", "%i").split())
        self.until(lambda: known <= {job["JobID"] for job in self._accounted()}, 120)
        return self._accounted()

    def _accounted(self) -> list[dict[str, str]]:
        fields = ("JobID", "JobName", "State", "Comment", "AllocTRES", "NodeList", "Partition")
        asked = ("-a", "-X", "-n", "-P", "--starttime=now-1days", "-o", ",".join(fields))
        printed = self.command("sacct", *asked)
        return [dict(zip(fields, line.split("|"), strict=True)) for line in printed.splitlines()]

    @staticmethod
    def until(condition, seconds: float, every: float = 0.1) -> None:
        """Wait until a condition holds.

        Raises:
            TimeoutError: it did not in that time.
        """
        end = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > end:
                raise TimeoutError(f"waited {seconds} s in vain")
            time.sleep(every)

    # --- processes ---

    @property
    def _munge(self) -> Path:
        return self.folder / "munge.socket"

    def _start(self, name: str, *command: str) -> None:
        """Start a daemon in the foreground that ends when this process does, however it ends."""
        with open(self.folder / f"{name}.out", "ab") as out:
            self._daemons[name] = subprocess.Popen(
                command,
                env={**self.environment, "PATH": f"{self.environment['PATH']}:/usr/sbin:/sbin"},
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                cwd=self.folder,
                preexec_fn=_die_with_parent,
                start_new_session=True,
            )

    def _until_port(self, name: str) -> None:
        def answers() -> bool:
            with contextlib.suppress(OSError):
                socket.create_connection(("127.0.0.1", self._ports[name]), 1).close()
                return True
            return False

        self.until(answers, 40)


@contextlib.contextmanager
def running(accounting: bool = True) -> Iterator[Cluster]:
    """Run a cluster in a folder of its own."""
    install()
    sweep()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that the cluster is taken down
    folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir="/tmp"))
    folder.chmod(0o755)
    (folder / "owner").write_text(str(os.getpid()))
    cluster = Cluster(folder, accounting)
    try:
        cluster.start()
        yield cluster
    except Exception:
        for log in sorted(folder.glob("*.log")) + sorted(folder.glob("*.out")):
            print(f"--- {log.name}", log.read_text(errors="replace")[-1500:], sep="\n")
        raise
    finally:
        cluster.stop()


def sweep() -> None:
    """Remove what clusters left whose process was killed outright (their daemons died with it)."""

    def gone(pid: str) -> bool:
        return not Path(f"/proc/{pid}").exists()

    for folder in Path("/tmp").glob(f"{PREFIX}*"):
        with contextlib.suppress(OSError):
            if gone((folder / "owner").read_text()):
                shutil.rmtree(folder)
    for person in pwd.getpwall():
        if person.pw_name.startswith(PREFIX) and gone(person.pw_name.removeprefix(PREFIX)):
            subprocess.run(["userdel", person.pw_name], check=True, capture_output=True)


def _installed(package: str) -> bool:
    done = subprocess.run(
        ["dpkg-query", "-W", "-f", "${Status}", package], capture_output=True, text=True
    )
    return done.stdout.endswith("ok installed")


def _free_ports(number: int) -> list[int]:
    sockets = [socket.socket() for _ in range(number)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


def _die_with_parent() -> None:
    ctypes.CDLL(None).prctl(1, signal.SIGTERM)  # PR_SET_PDEATHSIG


if __name__ == "__main__":
    if why := missing():
        sys.exit(f"no cluster on this host: {why}")
    begun = time.monotonic()
    with running() as here:
        print(f"cluster up in {time.monotonic() - begun:.1f} s: {here.folder}", flush=True)
        code = subprocess.run(sys.argv[1:] or ["bash"], env=here.environment).returncode
    sys.exit(code)
