"""Puts the kept results into docs/performance.md: `python -m bench.document`.

Each table stands between `<!-- bench: NAME -->` and `<!-- end -->`, and comes from results/NAME.json. Knows nothing of
what was measured.
"""

import json
import re
from pathlib import Path

from bench.report import RESULTS, ROOT, markdown

DOCUMENT = ROOT / "docs" / "performance.md"
_PLACE = re.compile(r"(<!-- bench: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)


def filled(text: str, results: Path) -> str:
    """The text with every table anew; a place without a result stays as it is."""

    def filled_place(place: re.Match[str]) -> str:
        kept = results / f"{place[2]}.json"
        if not kept.exists():
            return place[0]
        document = json.loads(kept.read_text())
        # What is compared with others has tables of its own.
        return f"{place[1]}\n{document.get('markdown') or markdown(document)}\n\n{place[3]}"

    return _PLACE.sub(filled_place, text)


if __name__ == "__main__":
    DOCUMENT.write_text(filled(DOCUMENT.read_text(), RESULTS))
