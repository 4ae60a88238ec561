"""Variables that nobody reads because their name is misspelt. Knows names alone, never a value."""

from collections.abc import Collection, Iterator
from difflib import get_close_matches

from darkroom.doctor.finding import Finding

_PREFIX = "DARKROOM_"
_ALIKE = 0.6
_NEARLY_THE_SAME = 0.9
"""So that a name that does not begin with the prefix is one of ours with a slip in it."""


def misspelt(names: Collection[str], known: Collection[str]) -> Iterator[Finding]:
    """Of the names that are set, those that look like ours and are not known."""
    for name in names:
        upper = name.upper()  # the rooms read them in any case
        if upper in known:
            continue
        is_ours = upper.startswith(_PREFIX)
        near = get_close_matches(upper, known, n=1, cutoff=_ALIKE if is_ours else _NEARLY_THE_SAME)
        if is_ours or near:
            mend = f"is {near[0]} meant?" if near else "unset it; docs/api.md lists what can be set"
            yield Finding(check="settings", verdict="warning", found=f"nothing reads {name}", mend=mend)
