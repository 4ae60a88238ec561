"""What docs/recipes tells its readers to run and to write down, as the pages have it, for the service of a test."""

import re

from tests.clients.conftest import Asked
from tests.conftest import ROOT

_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_NAMED = re.compile(r"^`([\w.]+)`[^`]*?:\n\n```js\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def commands(name: str, asked: Asked) -> str:
    """Every shell command of the page, one script."""
    return "".join(text for language, text in _BLOCK.findall(_page(name, asked)) if language == "bash")


def configuration(name: str, asked: Asked) -> str:
    """The page's only block of JSON."""
    (text,) = [text for language, text in _BLOCK.findall(_page(name, asked)) if language == "json"]
    return str(text)


def modules(name: str, asked: Asked) -> dict[str, str]:
    """The page's files of JavaScript, by the names that stand before them."""
    return dict(_NAMED.findall(_page(name, asked)))


def _page(name: str, asked: Asked) -> str:
    """The page, but for the address and the key."""
    text = (ROOT / "docs" / "recipes" / name).read_text(encoding="utf-8")
    return text.replace("127.0.0.1:8000", asked.url.removeprefix("http://")).replace("dk_…", asked.key)
