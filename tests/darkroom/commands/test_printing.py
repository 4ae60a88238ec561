"""What is printed of what others have written."""

import pytest

from darkroom.commands.printing import print_fields, print_rows, tell


def test_nothing_that_is_printed_moves_the_cursor_or_adds_a_column(capsys: pytest.CaptureFixture[str]) -> None:
    print_rows(("a", "b"), [("a\tfox\x1b[2J\n\x9b1m", None), (1, True)])
    print_fields({"text": "one\r\ntwo", "list": [{"seed": 1}], "empty": []})
    tell("no\n\x1b]0;way")
    printed = capsys.readouterr()
    assert printed.out == "a fox [2J  1m\t\n1\ttrue\ntext\tone  two\nlist.0.seed\t1\nempty\t[]\n"
    assert printed.err == "darkroom: no  ]0;way\n"
