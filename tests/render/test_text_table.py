"""Plain tables: names left, numbers right, nothing read as markup."""

import pytest

from objdisc.render.text_table import text_table


def test_names_stand_left_and_numbers_right() -> None:
    assert text_table(["name", "n"], [["car", 7], ["motorcycle", 123]]) == (
        "name          n\ncar           7\nmotorcycle  123"
    )


def test_without_a_head_there_is_no_line_for_it() -> None:
    assert text_table(["", ""], [["a", "b"]], left=(0, 1)) == "a  b"


@pytest.mark.parametrize("name", ["[red]car[/red]", ":car:", "$5", "x" * 300, "größe", "空港"])
def test_a_name_is_never_read_as_markup_cut_or_wrapped(name: str) -> None:
    head, line = text_table(["name", "n"], [[name, 1]]).splitlines()
    assert line.split() == [name, "1"]
    assert head.split() == ["name", "n"]
