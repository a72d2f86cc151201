"""Fifty texts that want to be more than content: placement, policy, tools and acts do not change.

Whatever the model may be told, the worst that it can do is to repeat it: the endpoint here does.
"""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from daemon import acts as fx
from daemon.background import wire
from daemon.background.reasoner import PlainReasoner
from daemon.background.tools.result import Result
from daemon.background.web import Web, WebError
from daemon.config import tomllib
from daemon.turn import Floor
from tests.background.openai_stage import calls, endpoint, says
from tests.daemon.acts_stage import BUSY, Stage
from tests.e2e.mqtt_stage import LONG_S, broker, links, probe, until, workers

__all__ = ["broker", "links", "probe", "workers"]
pytestmark = pytest.mark.e2e

FILE = Path(__file__).with_name("hostile_texts.toml")
TEXTS = {part["channel"]: tuple(part["texts"])
         for part in tomllib.loads(FILE.read_text(encoding="utf-8"))["text"]}
TOOLS = {"manual_search", "calculate", "convert", "workout_total", "web_search", "read_page"}


def ask_of(words: str) -> wire.Ask:
    return wire.Ask(id=wire.new_ulid(0), device="glasses", kind="question", words=words,
                    deadline_s=30)


def from_manuals(folder: Path) -> Iterator[Result]:
    """Each text as a section of a manual that is asked about."""
    for n, text in enumerate(TEXTS["manual"]):
        manuals = folder / f"m{n}"
        manuals.mkdir()
        (manuals / "lever.md").write_text(f"# Lever\n## Lever\nThe lever is red. {text}\n"
                                          "## Other\nNothing.\n", encoding="utf-8")
        reasoner = PlainReasoner(manuals, folder / f"{n}.db")
        yield reasoner.answer_terms({"lever": 1.0})
        yield reasoner.answer_words("what is the lever")
        reasoner.close()


@contextmanager
def web(page: str) -> Iterator[str]:
    """A SearXNG whose only result is a page with the text."""

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *arguments: object) -> None:
            """Quiet."""

        def do_GET(self) -> None:
            body = page.encode()
            if urlsplit(self.path).path == "/search":
                found = {"title": "t", "url": f"{base}/page", "content": page[:80]}
                body = json.dumps({"results": [found]}).encode()
            self.send_response(200)
            self.end_headers()
            self.wfile.write(body)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    base = f"http://127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield base
    finally:
        server.shutdown()
        server.server_close()


def from_model(local: PlainReasoner, channel: str) -> Iterator[Result]:
    """Each text comes on its channel, and the model repeats it."""
    pytest.importorskip("pydantic_ai", reason="pydantic-ai needs Python 3.11")
    from daemon.background.agent import AgentReasoner
    from daemon.background.agent_config import AgentConfig, McpConfig

    for text in TEXTS[channel]:
        replies, more, frames = [says(text)], {}, ()
        with web(text) as base:
            if channel == "page":
                more = {"searxng": base}
                replies = [calls("web_search", {"query": "x"}),
                           calls("read_page", {"url": f"{base}/page"}), *replies]
            if channel == "mcp":
                program = f"from mcp.server import MCPServer\ns = MCPServer('s')\n@s.tool()\n" \
                          f"def stock() -> str:\n    return {text!r}\ns.run('stdio')\n"
                more = {"mcp": (McpConfig(name="shop", command=(sys.executable, "-c", program)),)}
                replies = [calls("shop_stock", {}), *replies]
            if channel == "caption":
                more, frames = {"vision": True}, (b"\xff\xd8 picture \xff\xd9",)
            with endpoint(*replies) as stage:
                config = AgentConfig(endpoint=stage.url, timeout_s=20.0, **more)
                yield AgentReasoner(local, config).answer(ask_of("what is the lever"), None,
                                                          lambda: False, frames)
                offered = {t["function"]["name"] for body in stage.asked for t in body["tools"]}
                assert offered <= TOOLS | {"shop_stock"}, "no text adds a tool"


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> list[Result]:
    """What the worker makes of all fifty."""
    folder = tmp_path_factory.mktemp("hostile")
    found = list(from_manuals(folder))
    local = PlainReasoner(folder / "m0", folder / "local.db")
    for channel in ("page", "caption", "mcp", "model"):
        found += from_model(local, channel)
    local.close()
    return found


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_fifty_texts_are_content_and_nothing_else(results, links, workers, probe) -> None:
    """Budget: 60 s, most of it starting MCP servers."""
    assert sum(map(len, TEXTS.values())) == 50
    left = iter(results)

    class Given:
        def answer(self, ask, clip, cancelled, frames=(), say=None):
            return next(left)

    workers(Given(), 1)
    link = links()
    _, seen = probe("tagalong/#")
    stage = Stage(BUSY)
    before, governor = stage.ledger.book, stage.governor.counters()
    for _ in results:
        id = link.ask("question", "what is the lever", (), None, 30, "when_idle")
        assert link.wait(id, LONG_S)
        events = link.poll()
        assert {e.placement for e in events} == {"when_idle"}
        assert {e.kind.value for e in events} <= {"accepted", "part", "final"}
        said = [e.text for e in events if e.text]
        for text in said:
            assert text.isprintable() and len(text) <= 2_000, text
        stage.ledger.exchanged(stage.now_s)
        told = stage.acts.answer_ready(id, said, events[-1].placement, stage.now_s)
        told += stage.acts.tick(stage.now_s, Floor.SPEAK)
        assert {type(effect) for effect in told} <= {fx.Note, fx.Say}
    assert stage.ledger.book == before and stage.governor.counters() == governor
    until(lambda: len(seen) >= 2 * len(results), "the broker's messages")
    topics = {wire.split_topic(message.topic)[1][0] for message in seen}
    assert topics <= {"status", "ask", "answer", "stats", "mute"}
    assert not [m for m in seen if m.topic.endswith("mute/set")]


@pytest.mark.slow
def test_a_model_speaks_plain_words_only(results) -> None:
    """Budget: with the other."""
    of_model = results[2 * len(TEXTS["manual"]):]
    spoken = [sentence for result in of_model for sentence in result.sentences]
    assert not [s for s in spoken if "http" in s or "<" in s or "`" in s or not s.isprintable()]
    assert not [s for s in spoken if "4000" in s], "no tool has given that figure"
    assert all(len(result.sentences) <= 6 for result in of_model)


def test_only_what_was_found_is_read() -> None:
    with web("<p>Hello <b>there</b></p><script>no</script>") as base:
        made = Web(base)
        for url in (f"{base}/page", "file:///etc/passwd", "http://127.0.0.1/"):
            with pytest.raises(WebError, match="only pages that the search has found"):
                made.read(url)
        assert f"{base}/page" in made.search("x")
        assert made.read(f"{base}/page") == "Hello there"
    with pytest.raises(WebError):
        made.search("gone")
