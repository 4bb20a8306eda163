"""The edits of `valley plan --with`."""

import pytest
from valley.core.study import Study
from valley.planning.edits import EditError, edited
from workspace import Workspace


def after(*edits: str) -> dict:
    config = Workspace.smoke()
    return edited(config, Study(config).config, list(edits))


def test_a_whole_path_is_set():
    assert after("sampling.temperature=0.9")["sampling"]["temperature"] == 0.9


def test_the_end_of_a_path_is_enough_when_one_key_has_it():
    assert after("temperature = 0.9")["sampling"]["temperature"] == 0.9
    assert after("distil.learning_rate=0.1")["recipes"]["distil"]["learning_rate"] == 0.1


def test_keys_that_yaml_aliases_share_are_edited_one_by_one():
    assert after("distil.learning_rate=0.1")["recipes"]["answer"]["learning_rate"] == 0.01


def test_sizes_are_those_of_the_axes_with_a_curve():
    axes = after("sizes+=100000")["axes"]
    assert axes["scaling"]["sizes"] == [0, 16, 32, 100000]
    assert axes["difficulty"]["sizes"] == [16]


def test_lists_grow_and_shrink_by_one_or_many():
    edits = after("scaling.sizes+=[64, 128]", "axes.scaling.seeds-=1")["axes"]["scaling"]
    assert edits["sizes"] == [0, 16, 32, 64, 128]
    assert edits["seeds"] == [0]


def test_a_list_that_stands_at_its_default_grows_from_it():
    assert after("scaling.starts+=mid")["axes"]["scaling"]["starts"] == ["base", "mid"]


def test_a_new_entry_of_a_mapping_is_set():
    made = after("recipes.long={learning_rate: 0.1, batch_examples: 4, epochs: 9}")
    assert made["recipes"]["long"]["epochs"] == 9


@pytest.mark.parametrize(
    ("edit", "said"),
    [
        ("sizes", "is not an edit; write KEY=VALUE"),
        ("temperatur=0.9", "did you mean 'temperature'"),
        ("learning_rate=0.1", "could be several keys; choose one of: recipes.answer.learning_rate"),
        ("temperature+=1", "is for lists, and it is 0.6"),
        ("sizes+=32", "32 is already in"),
        ("sizes-=99", "99 is not in"),
        ("temperature=[", "is not YAML"),
    ],
)
def test_what_cannot_be_made_is_told(edit, said):
    with pytest.raises(EditError, match=None) as error:
        after(edit)
    assert said in str(error.value)
