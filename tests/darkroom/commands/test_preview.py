"""`--preview` with textual-image, on a terminal that answers nothing: it gets coloured half cells."""

import re

from tests.darkroom.commands.conftest import Command

SHADES = re.compile(r"38;2;(\d+);(\d+);(\d+);48;2;")
"""Of half cells; the bar that pulses while the job is in line has no background."""
CELL_SIZE, HIDDEN_CURSOR = "\x1b[16t", "\x1b[?25l"
"""A question to the terminal; and where it begins to be drawn on."""


def test_the_picture_is_shown_as_it_comes_out_of_the_noise_and_at_the_end(command: Command) -> None:
    words = ("generate", "steps 40", "--seed", "200", "--preview", "-o", "fox.png")
    terminal = command.on_terminal(*words, COLORTERM="truecolor")
    assert terminal.end() == 0
    shades = list(dict.fromkeys(SHADES.findall(terminal.printed)))
    assert shades[-1] == ("200", "0", "0")
    greys = [int(red) for red, green, blue in shades if red == green == blue]
    assert len(greys) > 2
    assert greys == sorted(greys)
    assert terminal.printed.index(CELL_SIZE) < terminal.printed.index(HIDDEN_CURSOR)
    assert "Traceback" not in terminal.printed
    assert terminal.printed.endswith("fox.png\r\n")
