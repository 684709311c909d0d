"""A file is written whole or not at all; a table says what it is."""

import pytest

from workbench.errors import InputError
from workbench.files import partials, replacing, table_values


@pytest.mark.parametrize("name", ["file", "x" * 255])
def test_a_file_is_replaced_when_its_writing_ends(tmp_path, name) -> None:
    path = tmp_path / name
    path.write_text("old")
    with replacing(path) as partial:
        partial.write_text("new")
        assert path.read_text() == "old"
    assert path.read_text() == "new"
    assert list(tmp_path.iterdir()) == [path]


def test_what_a_killed_writer_left_is_found(tmp_path) -> None:
    path = tmp_path / "file"
    with replacing(path) as partial:
        partial.write_text("half")
        assert partials(path) == [partial]
        assert partials(tmp_path / "other") == []
    assert partials(path) == []


def test_a_failure_leaves_the_old_file_and_nothing_else(tmp_path) -> None:
    path = tmp_path / "file"
    path.write_text("old")
    with pytest.raises(RuntimeError), replacing(path) as partial:
        partial.write_text("half")
        raise RuntimeError
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("text", "said"), [("{", "this is no JSON"), ('{"format": "b/1"}', "got the format 'b/1'"), ("[]", "None")]
)
def test_a_table_of_another_kind_is_refused(text, said):
    with pytest.raises(InputError, match=said):
        table_values(text, "a/1")
