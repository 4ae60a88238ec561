"""Whose turn it is: the order in which the jobs of several owners are claimed."""

import pytest

from contract import keys, scripts
from tests.contract.conftest import Turns


def test_owners_take_turns_however_long_the_line_of_one_is(turns: Turns) -> None:
    turns.join("a" * 1000 + "bbbccc")
    assert turns.owners(13) == "abcabcabcaaaa"


def test_owners_take_turns_when_the_first_of_the_long_line_runs_already(turns: Turns) -> None:
    turns.join("a" * 1000)
    assert turns.owners(1) == "a"
    turns.join("bbbccc")
    assert turns.owners(13) == "abcabcabcaaaa"


def test_a_turn_is_as_long_as_its_job_is_dear(turns: Turns) -> None:
    turns.join("aaa", cost=10)
    turns.join("b" * 40, cost=1)
    assert turns.owners(33) == ("b" * 9 + "a" + "b") * 3


def test_within_an_owner_the_first_to_come_is_the_first_to_go_whatever_it_costs(turns: Turns) -> None:
    names = [turns.join("a", cost)[0] for cost in (50, 1, 20, 3)]
    turns.join("bb", 5)
    assert [name for name in turns.claim_all() if name[-1] == "a"] == names


def test_an_owner_that_is_never_done_keeps_nobody_out(turns: Turns) -> None:
    turns.join("aa")
    turns.join("b", cost=20)
    came = []
    for _ in range(30):
        came.append(turns.owners(1))
        turns.join("a")
    # Twenty of cost one are the same turn as one of cost twenty.
    assert came.index("b") == 19


def test_an_owner_that_was_away_has_saved_nothing_up(turns: Turns) -> None:
    turns.join("b")
    turns.owners(1)
    turns.join("a" * 50)
    turns.owners(40)
    turns.join("bbbb")
    assert turns.owners(8) == "abababab"


def test_an_owner_that_had_the_workers_to_itself_pays_nothing_for_it(turns: Turns) -> None:
    turns.join("a" * 50)
    turns.owners(50)
    turns.join("bbbb")
    turns.join("aaaa")
    assert turns.owners(8) == "babababa"


def test_what_an_owner_canceled_does_not_push_back_its_other_jobs(turns: Turns) -> None:
    canceled = turns.join("a" * 9, cost=10)
    turns.join("aa", cost=10)
    turns.join("b" * 30, cost=1)
    for name in canceled:
        turns.cancel(name)
    assert turns.owners(22) == ("b" * 9 + "a" + "b") * 2


def test_what_an_owner_canceled_does_not_push_back_its_next_job(turns: Turns) -> None:
    canceled = turns.join("a" * 9)
    turns.join("b" * 5)
    for name in reversed(canceled):
        turns.cancel(name)
    turns.join("a")
    assert turns.owners(3) == "bab"


def test_canceling_the_head_lets_the_owner_go_on_at_once(turns: Turns) -> None:
    head, _ = turns.join("a", cost=100)[0], turns.join("b", cost=110)
    second = turns.join("a", cost=100)[0]
    assert turns.position(second) == 3
    turns.cancel(head)
    assert turns.position(second) == 1
    assert turns.claim() == second


def test_a_turn_that_has_passed_is_not_to_be_had_by_canceling(turns: Turns) -> None:
    placeholder = turns.join("a", cost=100)[0]
    turns.join("aaaa")
    turns.join("b" * 60)
    turns.owners(50)
    turns.cancel(placeholder)
    assert turns.owners(8) == "abababab"


def test_nor_by_canceling_behind_a_job_that_came_back_from_a_crash(turns: Turns) -> None:
    turns.join("a")
    placeholder = turns.join("a", cost=100)[0]
    turns.join("aaaa")
    first = turns.claim() or ""
    turns.join("b" * 60)
    turns.owners(50)
    turns.crash(first)
    turns.cancel(placeholder)
    assert turns.owners(9) == "a" + "abababab"


def test_canceling_brings_no_job_back_that_a_tool_deleted(turns: Turns) -> None:
    canceled, deleted, last = turns.join("aaa", cost=10)
    turns.join("b" * 15)
    turns.client.delete(f"rq:job:{deleted}")
    turns.cancel(canceled)
    assert not turns.client.exists(f"rq:job:{deleted}")
    claimed = turns.claim_all()
    assert claimed.index(last) == 9


def test_jobs_that_were_too_late_in_line_do_not_push_back_their_owners_others(turns: Turns) -> None:
    late = turns.join("a" * 5, cost=10)
    turns.join("a", cost=10)
    turns.join("b" * 20)
    for name in late:
        turns.client.zadd(keys.DEADLINES, {name: 1})
    assert turns.line.run(scripts.OVERDUE) == late
    assert turns.owners(11) == "b" * 9 + "ab"


def test_a_job_whose_lease_was_lost_is_the_next_again(turns: Turns) -> None:
    turns.join("aabbcc", cost=5)
    first = turns.claim()
    turns.owners(2)
    turns.join("d", cost=1)
    assert first is not None
    turns.crash(first)
    assert turns.position(first) == 1
    assert turns.claim() == first


def test_a_job_that_runs_again_turns_no_time_back(turns: Turns) -> None:
    turns.join("a" * 20)
    first = turns.claim() or ""
    turns.owners(9)
    turns.crash(first)
    assert turns.claim() == first
    turns.join("bbbb")
    assert turns.owners(8) == "abababab"


@pytest.mark.parametrize("virtual_time", [10**12, 4 * 10**12 + 1, 9 * 10**15])
def test_turns_far_ahead_in_virtual_time_are_still_told_apart(turns: Turns, virtual_time: int) -> None:
    turns.client.set(keys.VIRTUAL_TIME, virtual_time)
    names = turns.join("aabbab" * 4)
    expected = turns.join("a") + turns.join("b")
    in_line = sorted([*names, *expected], key=lambda name: turns.position(name) or 0)
    claimed = [turns.claim() for _ in range(5)]
    assert claimed == in_line[:5]
    turns.crash(claimed[-1] or "")
    assert turns.claim_all() == in_line[4:]
    assert int(turns.client.get(keys.VIRTUAL_TIME) or 0) == virtual_time + 13


def test_dear_jobs_far_ahead_keep_their_order(turns: Turns) -> None:
    dear = [turns.join(owner, 10**12 + extra)[0] for owner, extra in (("a", 2), ("b", 1), ("c", 0))]
    assert [turns.position(name) for name in dear] == [3, 2, 1]
    assert turns.claim_all() == dear[::-1]


def test_an_owner_whose_jobs_are_drawn_together_gets_no_more_turns_for_it(turns: Turns) -> None:
    turns.join("b" * 40)
    drawn = {"a": 0, "b": 0}
    for _ in range(4):
        turns.join("a" * 8, batch_key="k")
        while turns.in_line("a"):
            for name in turns.claim_batch(8):
                drawn[name[-1]] += 1
    # The eight are drawn in one turn, ahead of their own; the owner's next ones come when those are over.
    assert drawn["a"] == 32
    assert 24 <= drawn["b"] <= 32


def test_nor_by_having_an_empty_line_when_it_comes_back(turns: Turns) -> None:
    turns.join("a" * 4, batch_key="k")
    turns.join("bbbbbb")
    assert len(turns.claim_batch(4)) == 4
    turns.join("aa", batch_key="other")
    assert turns.owners(8) == "bbbbbaba"


def test_nor_by_canceling_what_was_left_in_line(turns: Turns) -> None:
    turns.join("a", batch_key="k")
    placeholder = turns.join("a")[0]
    turns.join("aa", batch_key="k")
    turns.join("aa")
    turns.join("b" * 6)
    assert len(turns.claim_batch(4)) == 3
    turns.cancel(placeholder)
    assert turns.owners(8) == "bbbbabab"


def test_whoever_is_drawn_with_another_owners_job_keeps_the_turns_that_it_has_not_had(turns: Turns) -> None:
    turns.join("aa", batch_key="k")
    turns.join("b", cost=5)
    turns.join("b", batch_key="k")
    turns.join("c" * 8)
    assert [name[-1] for name in turns.claim_batch(8)] == ["a", "a", "b"]
    assert turns.owners(5) == "ccccb"
    turns.join("bc")
    assert turns.owners(6) == "cccbcc"


def test_what_was_drawn_ahead_of_its_turn_is_forgotten_when_that_has_come(turns: Turns) -> None:
    turns.join("a" * 4, batch_key="k")
    turns.claim_batch(4)
    assert turns.client.hgetall(keys.CLAIMED) == {"a": "4"}
    turns.join("b" * 6)
    turns.owners(6)
    turns.join("a")
    turns.owners(1)
    assert not turns.client.exists(keys.CLAIMED)


def test_a_long_line_moves_up_bit_by_bit_and_in_order(turns: Turns) -> None:
    first, *names = turns.join("a" * 251, cost=10)
    turns.join("b" * 251, cost=10)
    turns.cancel(first)
    scores = [int(turns.client.hget(f"rq:job:{name}", "score") or 0) for name in names]
    assert scores[: keys.MOVES_AT_ONCE] == [10 * number for number in range(1, keys.MOVES_AT_ONCE + 1)]
    assert scores[keys.MOVES_AT_ONCE :] == [10 * number for number in range(keys.MOVES_AT_ONCE + 2, 252)]
    assert turns.client.hkeys(keys.GAPS) == ["a"]
    for canceled in (names.pop(1), names.pop(-2)):
        turns.cancel(canceled)
    turns.line.run(scripts.OVERDUE)
    scores = [int(turns.client.hget(f"rq:job:{name}", "score") or 0) for name in names]
    assert scores == [10 * number for number in range(1, 249)]
    assert not turns.client.exists(keys.GAPS)
    assert turns.owners(496) == "ab" * 248


def test_chores_move_the_lines_of_several_owners_up(turns: Turns) -> None:
    for owner in "abc":
        first, *_ = turns.join(owner * 302)
        turns.cancel(first)
    turns.line.run(scripts.OVERDUE)
    assert not turns.client.exists(keys.GAPS)
    assert turns.owners(9) == "abcabcabc"


def test_a_line_that_was_taken_before_it_could_move_up_leaves_nothing(turns: Turns) -> None:
    first, *_ = turns.join("a" * 120)
    turns.cancel(first)
    assert turns.client.exists(keys.GAPS)
    turns.claim_all()
    turns.line.run(scripts.OVERDUE)
    assert not turns.client.exists(keys.GAPS)
