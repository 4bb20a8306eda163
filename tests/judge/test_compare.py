"""When two outputs, or two values, are the same."""

import time

import pytest
from valley.judging.compare import Rules, outputs_differ, parse_value, values_differ

SAME = [
    ("1\n", "1"),
    ("1 \n2\t\n", "1\n2\n"),
    ("1\r\n2\r\n", "1\n2\n"),
    ("1\n\n\n", "1\n"),
    ("1.0", "1.00"),
    ("1", "1.0"),
    ("1.0", "1"),
    ("1e3", "1000"),
    ("0.3333333333", "0.333333"),
    ("1000000.4", "1000000.5"),
    ("-0.0", "0.0"),
    ("a  b", "a b"),
    ("  a b", "a b"),
    ("\n1", "1"),
    ("\n \n1", "\n1\n"),
    ("", "\n"),
    ("100000000000000000000000000000000001.0", "100000000000000000000000000000000001"),
    ("ä ö", "ä ö"),
    ("YES 0.5", "YES 0.5000001"),
]
DIFFERENT = [
    ("1", "2"),
    ("1\n2", "1 2"),
    ("1\n\n2", "1\n2"),
    ("1", ""),
    ("", "1"),
    ("1 2", "1"),
    ("0.34", "0.33"),
    ("2.9999999", "3"),
    ("100000000000000000000000000000000001", "100000000000000000000000000000000002"),
    ("yes", "YES"),
    ("00101", "101"),
    ("101", "00101"),
    ("9007199254740992.0", "9007199254740993"),
    ("a b c", "a bc"),
    ("0x10", "16"),
    ("1_000", "1000"),
    ("nan", "0.0"),
    ("inf", "1e9999"),
    ("1e99999999", "1.0"),
    ("٣", "3"),
]


@pytest.mark.parametrize(("output", "expected"), SAME)
def test_outputs_that_count_as_the_same(output, expected):
    assert outputs_differ(output.encode(), expected.encode()) is None


@pytest.mark.parametrize(("output", "expected"), DIFFERENT)
def test_outputs_that_count_as_different(output, expected):
    assert outputs_differ(output.encode(), expected.encode())


def test_line_structure_may_be_let_go():
    assert outputs_differ(b"1 2\n3", b"1\n2 3", Rules(keep_lines=False)) is None
    assert outputs_differ(b"1 2\n3", b"1\n2 4", Rules(keep_lines=False))


RULES = [
    (Rules(ignore_case=True), "Yes\nNO", "YES\nno", True),
    (Rules(ignore_case=True), "STRASSE Ä", "strasse ä", True),
    (Rules(ignore_case=True), "yes", "no", False),
    (Rules(ignore_case=True), "1E3", "1000", True),
    (Rules(tolerance=1e-4), "0.50004", "0.5", True),
    (Rules(tolerance=1e-4), "0.5002", "0.5", False),
    (Rules(tolerance=1e-4), "10000.9", "10001.0", True),
    (Rules(tolerance=0), "0.5000000001", "0.5", False),
    (Rules(tolerance=0), "0.50", "0.5", True),
    (Rules(tolerance=1e-9), "0.3333333", "0.333333", False),
    # A tolerance that is given holds for an expected integer, but never between two integers.
    (Rules(tolerance=1e-6), "2.9999999", "3", True),
    (Rules(tolerance=1e-6), "1000001", "1000000", False),
    (Rules(tolerance=1e-6), "1", "1.0000001", True),
    (Rules(tolerance=2.0), "4.5", "3", True),
]


@pytest.mark.parametrize(("rules", "output", "expected", "same"), RULES)
def test_a_problem_may_say_how_its_outputs_are_compared(rules, output, expected, same):
    assert (outputs_differ(output.encode(), expected.encode(), rules) is None) == same


VALUE_RULES = [
    (Rules(ignore_case=True), '["Yes"]', ["YES"], True),
    (Rules(ignore_case=True), '{"A": 1}', {"a": 1}, False),
    (Rules(tolerance=1e-4), "[0.50004]", [0.5], True),
    (Rules(tolerance=1e-9), "0.3333333", 0.333333, False),
    (Rules(tolerance=1e-6), "2.9999999", 3, True),
    (Rules(tolerance=1e-6), "1000001", 1000000, False),
]


@pytest.mark.parametrize(("rules", "result", "expected", "same"), VALUE_RULES)
def test_and_its_values(rules, result, expected, same):
    assert (values_differ(result.encode(), expected, rules) is None) == same


def test_where_they_part_is_told():
    assert outputs_differ(b"1\n5 x\n", b"1\n6 x\n") == "line 2: '5', expected '6'"
    assert outputs_differ(b"1\n", b"1\n2\n") == "line 2: missing, expected '2'"
    assert outputs_differ(b"1\n2\n", b"1\n") == "line 2: '2' is too much"


def test_large_outputs_take_no_time():
    begun = time.process_time()
    assert outputs_differ(b"\n" * (16 << 20), b"1\n")
    assert outputs_differ(b"1 " * (8 << 20), b"1\n2\n")
    assert outputs_differ(b"9" * (16 << 20), b"1")
    assert outputs_differ(b"1\n" * (8 << 20), b"2\n" * (8 << 20))
    assert time.process_time() - begun < 2


VALUES_SAME = [
    ("[1, 2]", [1, 2]),
    ("1.0", 1),
    ("0.30000000000000004", 0.3),
    ("true", True),
    ("1", True),
    ("null", None),
    ('{"a": [1]}', {"a": [1]}),
    ("NaN", float("nan")),
    ('"é"', "é"),
]
VALUES_DIFFERENT = [
    ("[1, 2]", [2, 1]),
    ("[1]", 1),
    ("1", "1"),
    ("null", 0),
    ("NaN", 1.0),
    ("1.5", 1),
    ("9007199254740992.0", 9007199254740993),
    ('{"a": 1}', {"b": 1}),
    ("[" * 9999, [1]),
    ("9" * 5000, 9),
    ("", 1),
    ("Infinity", 1e308),
]


@pytest.mark.parametrize(("result", "expected"), VALUES_SAME)
def test_values_that_count_as_the_same(result, expected):
    assert values_differ(result.encode(), expected) is None


@pytest.mark.parametrize(("result", "expected"), VALUES_DIFFERENT)
def test_values_that_count_as_different(result, expected):
    assert values_differ(result.encode(), expected)


def test_huge_integers_are_held_against_each_other_digit_by_digit():
    assert values_differ(b"9" * 5000, parse_value("9" * 5000)) is None
    assert values_differ(b"9" * 5000, parse_value("9" * 4999 + "8"))
    assert values_differ(b'"' + b"9" * 5000 + b'"', parse_value("9" * 5000))
