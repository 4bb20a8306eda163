"""Mutations of the code, each with the rules whose digest must move and those whose must not.

What must is known from runs in which it was recorded what processes execute; what must not from a
look at the code by words alone (`mutations.py`). Neither is what the digests are made by.
"""

import json
import random
import shutil
from collections import defaultdict

import pytest
from mutations import KINDS, Words, mutated
from numbered import LOOSE, modules
from recorded import OUTSIDE, STAGES
from valley.core.closure import code_digest
from workspace import REPOSITORY, Workspace

pytestmark = [pytest.mark.long, pytest.mark.timeout(2400)]
ROOT = REPOSITORY / STAGES
INSIDE_EACH, OUTSIDE_EACH = 3, 2  # mutations of what a rule executes, and of what it can't reach


class Rules:
    """What each rule executes, may reach, and digests."""

    def __init__(self, studies):
        self.executed, self.entries, words = defaultdict(set), defaultdict(set), Words(ROOT)
        for study in studies.values():
            for rule, executed in study.executed.items():
                self.entries[rule] |= study.entries[rule]
                # What may be outside of digests is executed around the stage, too.
                self.executed[rule] |= {
                    (module, name)
                    for module, name in executed
                    if module not in OUTSIDE and name != LOOSE
                }
        self.may_reach = {
            rule: words.reach(executed | self.entry_points(rule))
            for rule, executed in self.executed.items()
        }

    def entry_points(self, rule: str) -> set[tuple[str, str]]:
        return {(module, name) for module, *names in self.entries[rule] for name in names}

    def digests(self, root) -> dict[str, tuple[str, ...]]:
        return {
            rule: tuple(code_digest(*entry, root=root) for entry in sorted(entries))
            for rule, entries in self.entries.items()
        }


@pytest.fixture(scope="module")
def rules(studies) -> Rules:
    return Rules(studies)


def chosen(rules: Rules) -> list[tuple[str, str, str, str]]:
    """Return (module, definition, kind, mutated text of the module), seeded, for every rule."""
    sources = {module: path.read_text(encoding="utf-8") for module, path in modules(ROOT).items()}
    everything = set().union(*rules.executed.values())
    found = {}
    for rule in sorted(rules.executed):
        draw = random.Random(rule)
        inside, outside = sorted(rules.executed[rule]), sorted(everything - rules.may_reach[rule])
        for items, number in ((inside, INSIDE_EACH), (outside, OUTSIDE_EACH)):
            taken = 0
            for module, name in draw.sample(items, len(items)):
                if taken == number:
                    break
                kind = draw.choice(sorted(KINDS))
                text = mutated(sources[module], name, kind, f"{rule} {module} {name}")
                if text is not None:
                    found[module, name, kind] = text
                    taken += 1
    return [(*key, text) for key, text in found.items()]


def test_a_mutation_moves_the_digests_of_those_who_execute_it_and_of_nobody_else(rules, tmp_path):
    paths = modules(ROOT)
    copied = tmp_path / STAGES
    shutil.copytree(ROOT, copied, ignore=shutil.ignore_patterns("__pycache__"))
    before, faults, seen = rules.digests(copied), [], set()
    mutations = chosen(rules)
    for module, name, kind, text in mutations:
        path = copied / paths[module].relative_to(ROOT)
        source = path.read_text(encoding="utf-8")
        path.write_text(text, encoding="utf-8")
        after = rules.digests(copied)
        path.write_text(source, encoding="utf-8")
        for rule, digests in after.items():
            moved = digests != before[rule]
            if (module, name) in rules.executed[rule]:
                seen.add((rule, True))
                if not moved:
                    faults.append(f"{rule} executes {module}: {name}; a {kind} moved no digest")
            elif (module, name) not in rules.may_reach[rule]:
                seen.add((rule, False))
                if moved:
                    faults.append(f"{rule} can't reach {module}: {name}; a {kind} moved its digest")
    assert len(mutations) >= 60 and {kind for _, _, kind, _ in mutations} == set(KINDS)
    assert seen == {(rule, inside) for rule in rules.executed for inside in (True, False)}
    assert not faults, "\n".join(faults)


def follows(workspace: Workspace, first: set[str]) -> set[str]:
    """Return rules and all that are made from what they make, by a finished study's sidecars."""
    made_by, read_by = {}, defaultdict(set)
    for path in (workspace.folder / "results").rglob("*.meta.json"):
        about = json.loads(path.read_text(encoding="utf-8"))
        made_by |= {output: about["rule"] for output in about["outputs"]}
        read_by[about["rule"]] |= set(about["inputs"])
    found = set(first)
    while (
        more := {rule for rule, files in read_by.items() if {made_by.get(f) for f in files} & found}
        - found
    ):
        found |= more
    return found


@pytest.mark.parametrize("number", range(8))
def test_a_dry_run_names_the_jobs_of_those_who_execute_it(rules, studies, desk, number):
    # `core` is left out: Snakemake itself runs it, and a mutated plan is no plan.
    of_smoke = sorted(studies["smoke"].executed)
    mutations = [
        mutation for mutation in chosen(rules) if not mutation[0].startswith("valley.core.")
    ]
    drawn = random.Random(number).sample(mutations, len(mutations))
    module, name, _, text = next(
        mutation
        for mutation in drawn
        if any(mutation[:2] in rules.executed[rule] for rule in of_smoke)
    )
    must = {rule for rule in of_smoke if (module, name) in rules.executed[rule]}
    may = {rule for rule in of_smoke if (module, name) in rules.may_reach[rule]}
    (desk.repository / STAGES / modules(ROOT)[module].relative_to(ROOT)).write_text(text)
    planned = set(desk.plan()) - {"all"}
    assert follows(desk, must) <= planned <= follows(desk, may)
