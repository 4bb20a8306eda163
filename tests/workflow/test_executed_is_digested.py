"""What a job's processes execute is what its rule's digest covers: seen in studies that are run."""

from collections import defaultdict

import pytest
from recorded import OUTSIDE, Recorded
from valley.core.closure import LOOSE

pytestmark = pytest.mark.long


def undigested(studies: dict[str, Recorded]) -> dict[tuple[str, str], set[str]]:
    """Return what rules executed outside their closure: the definition, and by which rules."""
    found = defaultdict(set)
    for study in studies.values():
        for rule, executed in study.executed.items():
            for item in executed - study.closure(rule):
                if item[1] != LOOSE:
                    found[item].add(rule)
    return found


@pytest.mark.timeout(2400)
def test_every_rule_was_run_and_is_digested(studies):
    executed = {rule for study in studies.values() for rule in study.executed}
    rules = set()
    for study in studies.values():
        rules |= set(study.workspace.plan("--forceall")) - {"all"}
    assert executed >= rules - {"answer", "given_labels"}, "these are run by tests of their own"
    for study in studies.values():
        assert all(study.entries[rule] for rule in study.executed)


@pytest.mark.timeout(2400)
def test_nothing_is_executed_that_is_not_digested(studies):
    found = {item: rules for item, rules in undigested(studies).items() if item[0] not in OUTSIDE}
    told = [f"{module}: {name} ({', '.join(sorted(by))})" for (module, name), by in found.items()]
    assert not told, "executed, but in no digest of the rule:\n" + "\n".join(sorted(told))


@pytest.mark.timeout(2400)
def test_the_list_of_what_may_be_outside_is_as_short_as_it_can_be(studies):
    assert set(OUTSIDE) <= {module for module, _ in undigested(studies)}


@pytest.mark.timeout(2400)
def test_processes_that_jobs_start_are_recorded(studies):
    judged = studies["smoke"].executed["judge"]
    for module, name in (
        ("judging.zygote", "serve"),
        ("judging.zygote", "keep"),
        ("judging.zygote", "_become_program"),
        ("judging.jail", "Jail"),
        ("judging.harness", "_run_main"),
    ):
        assert (f"valley.{module}", name) in judged
    trained = studies["asked"].executed["train"]
    assert {
        ("valley.lm.launch", "run"),
        ("valley.lm.parallel", "World"),
        ("valley.lm.training", "train"),
    } <= (trained)
    assert ("valley.asking.questions", "with_think_tags") in studies["asked"].executed["ask_model"]
