"""Web search through a SearXNG server, and reading what it found; nothing else is fetched.

A page is content: the text may say what it likes, only addresses that a search has given are read.
"""

from __future__ import annotations

import json
import urllib.error
import urllib.parse
import urllib.request
from html.parser import HTMLParser

TIMEOUT_S = 6.0
MOST_RESULTS = 5
PAGE_BYTES, PAGE_CHARACTERS = 500_000, 4_000
_SILENT = frozenset(("script", "style", "noscript", "template", "svg", "head", "nav", "footer"))


class WebError(RuntimeError):
    """Search or page cannot be had; the message says why."""


class Web:
    """One question's search: remembers which addresses it was given."""

    def __init__(self, searxng: str) -> None:
        self._searxng = searxng.rstrip("/")
        self._found: set[str] = set()

    def search(self, query: str) -> str:
        """Titles, addresses and first lines, as text. Raises WebError."""
        address = f"{self._searxng}/search?" + urllib.parse.urlencode(
            {"q": query[:300], "format": "json"})
        try:
            results = json.loads(_fetch(address))["results"][:MOST_RESULTS]
            lines = [f"{r['title']}\n{r['url']}\n{r.get('content') or ''}"[:600] for r in results]
        except (ValueError, KeyError, TypeError) as error:
            raise WebError(f"{self._searxng} gave no search results ({error!r}); expected "
                           "SearXNG with JSON among its formats") from None
        self._found |= {str(r["url"]) for r in results}
        return "\n\n".join(lines) or "nothing found"

    def read(self, url: str) -> str:
        """Text of a page that a search of this question has found. Raises WebError."""
        if url not in self._found:
            raise WebError("only pages that the search has found are read")
        return text_of(_fetch(url).decode("utf-8", "replace"))


def _fetch(url: str) -> bytes:
    if urllib.parse.urlsplit(url).scheme not in ("http", "https"):
        raise WebError(f"{url[:80]}: no web address")
    request = urllib.request.Request(url, headers={"User-Agent": "tagalong"})
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT_S) as answer:
            return answer.read(PAGE_BYTES)
    except (OSError, urllib.error.URLError, ValueError) as error:
        raise WebError(f"{url[:80]}: {error}") from None


class _Text(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.parts: list[str] = []
        self._silent = 0

    def handle_starttag(self, tag: str, attrs: list) -> None:
        self._silent += tag in _SILENT

    def handle_endtag(self, tag: str) -> None:
        self._silent -= tag in _SILENT and self._silent > 0

    def handle_data(self, data: str) -> None:
        if not self._silent:
            self.parts.append(data)


def text_of(html: str) -> str:
    """The words of a page, bounded."""
    parser = _Text()
    parser.feed(html)
    return " ".join(" ".join(parser.parts).split())[:PAGE_CHARACTERS]
