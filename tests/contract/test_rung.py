from typing import get_args

from contract.rung import MemoryChoice, Rung


def test_every_rung_can_be_chosen() -> None:
    assert get_args(MemoryChoice) == ("auto", *(rung.value for rung in Rung))
