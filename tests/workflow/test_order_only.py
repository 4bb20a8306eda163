"""Inputs that a job only waits for: they hide nothing that is stale, and are no reason to run."""

import random
import re
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass, field
from types import SimpleNamespace

import pytest
import snakemake.api
import yaml
from paths import finding
from snakemake.dag import DAG
from snakemake.exceptions import WorkflowError
from valley.workflow.order_only import OrderOnlyDAG

SNAKEFILE = """
import snakemake.workflow

from valley.workflow.order_only import OrderOnlyDAG

snakemake.workflow.DAG = OrderOnlyDAG


rule result:
    input: "made", gate=ancient("gate")
    output: "result"
    params: config["result"]
    shell: "cp made result"


rule made:
    output: "made"
    params: config["made"]
    shell: "echo > made"


rule gate:
    input: "source"
    output: "gate"
    params: config["gate"]
    shell: "cp source gate"


rule source:
    output: "source"
    params: config["source"]
    shell: "echo > source"
"""
NOW = {"result": 1, "made": 1, "gate": 1, "source": 1}


def snakemake(folder, settings, *arguments) -> set[str]:
    """Run Snakemake; return the rules that ran, or would."""
    (folder / "config.yaml").write_text(yaml.safe_dump(settings))
    command = [sys.executable, "-m", "snakemake", "--cores", "1", "--configfile", "config.yaml"]
    done = subprocess.run(
        [*command, *arguments], cwd=folder, capture_output=True, text=True, env=finding()
    )
    said = done.stdout + done.stderr
    assert done.returncode == 0, said
    table = re.search(r"Job stats:\n.*?\n-.*?\n(.*?)\ntotal", said, re.DOTALL)
    return {row.split()[0] for row in table.group(1).splitlines()} if table else set()


@pytest.fixture
def finished(tmp_path):
    (tmp_path / "Snakefile").write_text(SNAKEFILE)
    assert snakemake(tmp_path, NOW) == {"source", "gate", "made", "result"}
    return tmp_path


@pytest.mark.long
def test_what_is_stale_below_a_gate_that_is_made_again_is_seen(finished):
    assert snakemake(finished, {**NOW, "gate": 2, "result": 2}, "-n") == {"gate", "result"}
    assert snakemake(finished, {**NOW, "gate": 2}, "-n") == {"gate"}
    assert snakemake(finished, {**NOW, "gate": 2}) == {"gate"}
    assert snakemake(finished, {**NOW, "gate": 2}, "-n") == set(), "a newer gate ages nothing"


@pytest.mark.long
def test_a_gate_that_is_gone_is_made_for_what_runs_and_is_no_reason_to_run(finished):
    (finished / "gate").unlink()
    assert snakemake(finished, NOW, "-n") == set()
    assert snakemake(finished, {**NOW, "source": 2}, "-n") == {"source", "gate"}
    assert snakemake(finished, {**NOW, "made": 2}, "-n") == {"made", "gate", "result"}
    assert snakemake(finished, {**NOW, "result": 2}) == {"gate", "result"}


class Grouped:
    """A DAG of numbered jobs as far as the check of groups looks at it; job n needs smaller ones.

    Args:
        draws: makes it up.
        jobs: how many.
    """

    def __init__(self, draws: random.Random, jobs: int):
        rule = SimpleNamespace(name="some", snakefile="Snakefile", lineno=1)
        made = [Numbered(number, rule) for number in range(jobs)]
        self.dependencies = self._dependencies = {
            job: dict.fromkeys(draws.sample(made[:at], min(at, draws.randint(0, 2))))
            for at, job in enumerate(made)
        }
        groups = [Group([], name) for name in ("a", "b")]
        self._group = {}
        for job in made:
            if group := draws.choice([*groups, None]):
                group.jobs.append(job)
                self._group[job] = group

    _comes_back = OrderOnlyDAG._comes_back


@dataclass(frozen=True)
class Numbered:
    number: int
    rule: SimpleNamespace = field(hash=False)


@dataclass(eq=False)
class Group:
    jobs: list
    groupid: str

    def __iter__(self):
        return iter(self.jobs)

    def __contains__(self, job) -> bool:
        return job in self.jobs


def test_what_snakemake_refuses_of_groups_is_found_before_it_is_asked():
    """Its own check comes only after ours has found something, and then decides."""
    draws, seen = random.Random(1), Counter()
    for _ in range(300):
        dag = Grouped(draws, draws.randint(2, 7))
        try:
            DAG._check_groups(dag)
            refused = False
        except WorkflowError as error:
            refused = True
            assert "depends on itself" in str(error)
        found = any(map(dag._comes_back, set(dag._group.values())))
        seen[refused, found] += 1
    assert not seen[True, False]
    assert seen[True, True] > 30
    assert seen[False, False] > 30
    assert seen[False, True] < 30, "hardly ever for nothing"


def test_a_groups_jobs_are_ready_when_snakemake_says_so():
    draws, seen = random.Random(2), Counter()
    for _ in range(100):
        dag = Grouped(draws, draws.randint(2, 7))
        dag._n_until_ready = {
            job: draws.choice([len(needs), sum(dag._group.get(one) is group for one in needs)])
            for job, needs in dag.dependencies.items()
            for group in [dag._group.get(job, object())]
        }
        dag._within = {
            job: sum(one in group for one in dag.dependencies[job])
            for job, group in dag._group.items()
        }
        for job in dag._group:
            ready = OrderOnlyDAG._ready(dag, job)
            assert ready is DAG._ready(dag, job)
            seen[ready] += 1
    assert min(seen[True], seen[False]) > 30
