"""The page: what it collects, who may read it, and how a browser draws it."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import threading
import time
import urllib.error
import urllib.request
from contextlib import ExitStack
from pathlib import Path

import pytest

from daemon.config import Config, PageConfig
from daemon.events import Event
from daemon.options import RunOptions
from daemon.page.board import CAPTIONS, CARDS, Board
from daemon.page.server import PageServer, open_page
from daemon.run import Runner
from tests.background.test_cards import GOOD
from tests.e2e.scripted import SQUATS, Script

pytestmark = pytest.mark.e2e
EVIL = '<img src=x onerror="document.title=\'run\'"><script>document.title="run"</script>'


def told(*events: tuple[float, str, str | None, dict]) -> Board:
    board = Board()
    for n, (t_s, kind, text, data) in enumerate(events):
        board.see(Event(t_s, n, kind, text, data))
    return board


def answered(id: str, card: dict | None, t_s: float = 9.0) -> tuple:
    return (t_s, "answer", "Twenty.", {"id": id, "status": "final", "card": card,
                                       "source": "bolts, page 2"})


def get(url: str, host: str | None = None) -> tuple[int, str, dict]:
    request = urllib.request.Request(url, headers={"Host": host} if host else {})
    try:
        with urllib.request.urlopen(request, timeout=5) as found:
            return found.status, found.read().decode(), dict(found.headers)
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode(), dict(error.headers)


@pytest.fixture
def serve():
    with ExitStack() as stack:
        def start(board: Board, **more) -> PageServer:
            server = PageServer(0, lambda: {**board.state(), "muted": {"microphone": True,
                                                                      "camera": False}, **more})
            stack.callback(server.close)
            return server
        yield start


def test_words_in_a_row_are_one_caption_and_numbers_stand_apart() -> None:
    state = told((1.0, "heard", "count my", {}), (1.4, "heard", "squats", {}),
                 (1.6, "say", "counting squats", {"cause": "act:count_reps"}),
                 (3.0, "count", None, {"count": 1, "item": "squats"}),
                 (3.0, "say", "one", {"cause": "count:squats"}),
                 (9.0, "heard", "stop", {})).state()
    assert [(c["who"], c["text"]) for c in state["captions"]] == [
        ("wearer", "count my squats"), ("tagalong", "counting squats"), ("wearer", "stop")]
    assert state["count"] == {"count": 1, "item": "squats"} and not state["ended"]


def test_a_delegation_is_open_until_its_answer_and_leaves_its_card() -> None:
    board = told((1.0, "delegate", "what torque", {"id": "a"}), (1.0, "link", None, {"up": True}),
                 (2.0, "answer", None, {"id": "a", "status": "accepted"}),
                 (2.0, "delegate", "what oil", {"id": "b"}))
    state = board.state()
    assert [(d["words"], d["status"]) for d in state["delegations"]] == [
        ("what torque", "accepted"), ("what oil", "asked")]
    assert state["link"] is True
    card = {"title": "M8", "parts": []}
    board.see(Event(9.0, 9, *answered("a", card)[1:]))
    board.see(Event(9.0, 9, "answer", None, {"id": "b", "status": "expired"}))
    state = board.state()
    assert state["delegations"] == [] and len(state["cards"]) == 1
    assert state["cards"][0] == {"asked": "what torque", "card": card, "source": "bolts, page 2"}


def test_only_the_newest_are_kept() -> None:
    board = told(*((3.0 * n, "heard", f"word {n}", {}) for n in range(50)),
                 *(answered(str(n), {"title": str(n), "parts": []}) for n in range(50)))
    state = board.state()
    assert len(state["captions"]) == CAPTIONS and state["captions"][-1]["text"] == "word 49"
    assert [c["card"]["title"] for c in state["cards"]] == [str(n) for n in range(50 - CARDS, 50)]


def test_it_is_read_only_and_answers_to_its_own_names_alone(serve) -> None:
    server = serve(Board())
    for host in (None, f"localhost:{server.port}"):
        status, body, headers = get(server.url + "state", host)
        assert status == 200 and json.loads(body)["captions"] == []
        assert "default-src 'none'" in headers["Content-Security-Policy"]
    assert get(server.url + "state", "evil.example")[0] == 421
    assert get(server.url + "../server.py")[0] == 404 and get(server.url + "nothing")[0] == 404
    request = urllib.request.Request(server.url + "state", b"{}", method="POST")
    with pytest.raises(urllib.error.HTTPError, match="501"):
        urllib.request.urlopen(request, timeout=5)
    assert server._server.server_address[0] == "127.0.0.1"


def test_a_port_that_is_taken_is_told_and_nothing_listens() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken, ExitStack() as stack:
        listeners: list = []
        port = taken.getsockname()[1]
        ((where, why),) = open_page(port, dict, listeners, stack)
        assert where == "page" and str(port) in why and "page.port" in why and listeners == []


def drawn(url: str, folder: Path) -> str:
    """The page as a browser has it after a second, markup."""
    browser = shutil.which("chromium")
    if browser is None:
        pytest.skip("no chromium: apt-get install chromium")
    done = subprocess.run(
        [browser, "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={folder}",
         "--virtual-time-budget=1500", "--dump-dom", url],
        capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


def test_a_browser_draws_captions_count_and_every_part_of_a_card(serve, tmp_path) -> None:
    board = told((1.0, "heard", "count my squats", {}),
                 (3.0, "count", None, {"count": 7, "item": "squats"}),
                 (4.0, "delegate", "what oil", {"id": "b"}),
                 answered("a", {"title": "All", "parts": GOOD}))
    page = drawn(serve(board).url, tmp_path)
    for text in ("count my squats", "7 squats", "what oil (asked)", "microphone muted",
                 "camera on", "<h2>All</h2>", "&lt;b&gt;as it is&lt;/b&gt;", "<li>b</li>",
                 "<td>M10</td>", 'alt="a dot"', '<progress value="3" max="10">', "<rect",
                 "bolts, page 2", "running, 0:09"):
        assert text in page, text


def test_what_a_model_wrote_is_shown_and_never_run(serve, tmp_path) -> None:
    card = {"title": EVIL, "parts": [{"type": "text", "text": EVIL},
                                     {"type": "list", "items": [EVIL]},
                                     {"type": "unheard of", "text": "left out"}]}
    page = drawn(serve(told((1.0, "heard", EVIL, {}), answered("a", card))).url, tmp_path)
    assert "<title>tagalong</title>" in page and "left out" not in page
    assert page.count("&lt;script&gt;") == 4 and "<img" not in page


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as found:
        return found.getsockname()[1]


def test_a_live_session_shows_itself_and_the_page_ends_with_it(tmp_path) -> None:
    port, stopping = free_port(), threading.Event()
    script = Script({2: SQUATS, 6: {"counted": 1}})
    config = Config(page=PageConfig(port=port))
    options = RunOptions(microphone="none", camera="synthetic", speaker="none",
                         state_dir=tmp_path, runtime_dir=tmp_path)
    session = threading.Thread(target=lambda: Runner(config, model=script).run(
        options, stopping=stopping))
    session.start()
    url, until = f"http://127.0.0.1:{port}/state", time.monotonic() + 30
    state: dict = {}
    while time.monotonic() < until and not state.get("count"):
        time.sleep(0.2)
        try:
            state = json.loads(get(url)[1])
        except OSError:
            continue
    stopping.set()
    session.join(30)
    assert state["count"] == {"count": 1, "item": "squats"}
    assert state["muted"] == {"microphone": False, "camera": False}
    assert [c["who"] for c in state["captions"]][:2] == ["wearer", "tagalong"]
    with pytest.raises(OSError):
        get(url)
