"""The page of statistics: a section's new tables replace its old ones, and nothing else."""

import bench_stats

PAGE = f"""# Title

Words.

{bench_stats.MARKER}

<!-- section: coverage -->

old coverage

<!-- section: known -->

old known
"""


def test_a_section_made_anew_replaces_its_own_tables_only():
    page = bench_stats.merged(PAGE, {"coverage": "new coverage\n"})
    assert page == PAGE.replace("old coverage", "new coverage")
    assert bench_stats.merged(PAGE, {}) == PAGE


def test_a_new_section_takes_its_place_in_the_order_of_sections():
    page = bench_stats.merged(PAGE, {"worlds": "worlds"})
    names = ("worlds", "coverage", "known")
    positions = [page.index(bench_stats.SECTION.format(name)) for name in names]
    assert positions == sorted(positions) and "old known" in page


def test_a_page_without_tables_keeps_its_words():
    page = bench_stats.merged("Words.\n", {"known": "a table"})
    assert page.startswith("Words.\n") and page.rstrip().endswith("a table")


def test_the_commit_is_named():
    assert len(bench_stats.commit().split()[0]) == 10
