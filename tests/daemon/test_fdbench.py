"""`tagalong fdbench`: Full-Duplex-Bench's tree in and out, on a tree made here: all around the
network with a scripted one, and one sample through the program itself."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from daemon import cli, fdbench
from daemon.config import Config, EngineConfig
from daemon.engines.base import EngineMismatch
from daemon.events import Event
from daemon.fdbench_words import Word, read_words, spoken_words, takes_over, to_json
from daemon.options import FdbenchOptions
from daemon.run import Runner
from daemon.senses.audio_files import read_audio
from daemon.voice import open_voice
from tests.e2e.scripted import RATE, SQUATS, Script, noise, write_sound

PAUSE, TURN = "v1.0/candor_pause_handling/{}", "v1.0/candor_turn_taking/{}"
INTERRUPTION, OVERLAP = "v1.0/synthetic_user_interruption/{}", "v1.5/user_interruption/{}"


def sample(tree: Path, name: str, seconds: float = 4.0, rate: int = 16_000,
           prefix: str = "") -> Path:
    """A folder with a sound, as the benchmark has them."""
    folder = tree / name
    folder.mkdir(parents=True, exist_ok=True)
    pcm = noise(seconds * rate / RATE)
    write_sound(folder / f"{prefix}input.wav", pcm, rate)
    (folder / "transcription.json").write_text("[]")
    return folder


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Both versions, two rates, what a Mac leaves in archives, and other sounds beside."""
    root = tmp_path / "data"
    for number in (1, 2, 10):
        sample(root, PAUSE.format(number))
    sample(root, TURN.format(7), rate=24_000, seconds=4.1003)
    folder = sample(root, INTERRUPTION.format(1))
    (folder / "interrupt.json").write_text(json.dumps(
        [{"context": "a", "interrupt": "b", "timestamp": [1.0, 2.0]}]))
    shutil.copy(folder / "input.wav", folder / "context.wav")
    for prefix in ("", "clean_"):
        sample(root, OVERLAP.format("1_left"), prefix=prefix)
    (root / "__MACOSX" / "1").mkdir(parents=True)
    shutil.copy(folder / "input.wav", root / "__MACOSX" / "1")
    return root


@pytest.fixture
def answer(tree: Path) -> Callable[..., int]:
    """Runs the verb with a network that says "counting squats" at 0.9 s, and again on command."""

    def run(*more: Any, plan: dict[int, dict] | None = None, where: Path = tree,
            **options: Any) -> int:
        runner = Runner(model=Script({3: SQUATS} if plan is None else plan))
        return fdbench.main(Config(), FdbenchOptions(where, **options), runner)

    return run


def transcript(folder: Path, prefix: str = "") -> dict:
    return json.loads((folder / f"{prefix}output.json").read_text())


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


@pytest.mark.unit
def test_samples_of_both_versions_are_found_in_their_order(tree: Path) -> None:
    assert [s.name for s in fdbench.find_samples(tree)] == [
        PAUSE.format(1), PAUSE.format(2), PAUSE.format(10), TURN.format(7),
        INTERRUPTION.format(1), OVERLAP.format("1_left"), OVERLAP.format("1_left") + " (clean)"]


@pytest.mark.unit
def test_the_folder_may_be_a_task_or_a_sample_or_a_mirror_of_links(tree: Path,
                                                                   tmp_path: Path) -> None:
    task = tree / "v1.0/candor_pause_handling"
    assert [s.name for s in fdbench.find_samples(task)] == [
        f"candor_pause_handling/{n}" for n in (1, 2, 10)]
    assert fdbench.find_samples(task / "2")[0].name == "candor_pause_handling/2"
    mirror = tmp_path / "mirror" / "pause_handling"
    mirror.mkdir(parents=True)
    (mirror / "candor_1").symlink_to(task / "1")
    (mirror / "round").symlink_to(mirror)
    assert [s.name for s in fdbench.find_samples(mirror.parent)] == ["pause_handling/candor_1"]


@pytest.mark.unit
@pytest.mark.parametrize(("below", "said"), [("gone", "there is no such folder"),
                                             ("empty", "no {ID}/input.wav anywhere below it")])
def test_a_folder_without_samples_is_misuse(tmp_path: Path, below: str, said: str,
                                            capsys: Any) -> None:
    (tmp_path / "empty").mkdir()
    assert cli.main(["fdbench", str(tmp_path / below)]) == 2
    error = capsys.readouterr().err
    assert f"{tmp_path / below}: {said}" in error and "; next: give the folder" in error


@pytest.mark.unit
def test_the_command_line_is_handed_on(tmp_path: Path, monkeypatch: Any) -> None:
    crossed: list[FdbenchOptions] = []
    monkeypatch.setattr(fdbench, "main", lambda config, options: crossed.append(options) or 0)
    assert cli.main(["fdbench", "tree"]) == 0
    assert cli.main("fdbench tree --fresh --engine onnx --broker embedded --addressing name "
                    "--json".split()) == 0
    assert crossed == [FdbenchOptions(Path("tree")),
                       FdbenchOptions(Path("tree"), "onnx", "embedded", "name", True, True)]


def spoken(text: str, start_s: float, end_s: float, cut: bool = False) -> Event:
    return Event(end_s, 0, "spoken", text, {"start_s": start_s, "end_s": end_s, "cut": cut})


@pytest.mark.unit
def test_words_share_the_time_of_their_sentence_and_are_in_order() -> None:
    words = spoken_words([spoken("five", 3.0, 3.4), spoken("set a timer", 1.0, 2.2)], 9.0,
                         lambda text: pytest.fail("nothing was cut"))
    assert words == [Word("set", 1.0, pytest.approx(1.4)), Word("a", pytest.approx(1.4), 1.6),
                     Word("timer", pytest.approx(1.6), pytest.approx(2.2)), Word("five", 3.0, 3.4)]


@pytest.mark.unit
def test_of_a_cut_sentence_only_what_sounded_is_left() -> None:
    cut = spoken("aaa bbb ccc ddd", 1.0, 2.3, cut=True)
    assert [w.text for w in spoken_words([cut], 9.0, lambda text: 4.0)] == ["aaa"]
    words = spoken_words([cut], 9.0, lambda text: 2.0)
    assert [w.text for w in words] == ["aaa", "bbb", "ccc"] and words[-1].end_s == 2.3


@pytest.mark.unit
def test_words_behind_the_input_and_before_the_interruption_are_left_out() -> None:
    said = [spoken("aa bb cc dd", 1.0, 5.0)]
    assert [w.text for w in spoken_words(said, 3.7, len)] == ["aa", "bb", "cc"]
    assert spoken_words(said, 3.7, len)[-1].end_s == 3.7
    assert [w.text for w in spoken_words(said, 9.0, len, after_s=2.8)] == ["cc", "dd"]


@pytest.mark.unit
@pytest.mark.parametrize(("words", "takes"), [
    ([], False), ([(1.0, 1.3)], False), ([(1.0, 2.0)], True), ([(0.0, 0.2)] * 3, False),
    ([(0.0, 0.2)] * 4, True), ([(0.0, 0.2), (3.0, 3.2)], True)])
def test_when_the_floor_is_taken(words: list[tuple[float, float]], takes: bool) -> None:
    assert takes_over([Word("a", *times) for times in words]) is takes


@pytest.mark.unit
def test_transcripts_of_other_systems_are_read_and_damaged_ones_told(tmp_path: Path) -> None:
    path = tmp_path / "output.json"
    assert read_words(path) is None
    path.write_text('{"text": "a", "chunks": [{"text": "a", "timestamp": [1.5, null]}]}')
    assert read_words(path) == [Word("a", 1.5, 1.5)]
    path.write_text(to_json([]))
    assert read_words(path) == [] and json.loads(path.read_text()) == {"text": "", "chunks": []}
    for damage in ("{", "[]", '{"chunks": [{"text": "a"}]}', '{"chunks": 3}'):
        path.write_text(damage)
        assert read_words(path) is None


@pytest.mark.e2e
def test_outputs_lie_beside_their_inputs_on_the_same_clock(tree: Path, answer: Any) -> None:
    assert answer() == 0
    folder = tree / PAUSE.format(1)
    assert names(folder) == {"input.wav", "transcription.json", "output.wav", "output.json"}
    own, told = read_audio(folder / "output.wav"), transcript(folder)
    assert len(own) == len(read_audio(folder / "input.wav"))
    first_s = int(np.argmax(np.abs(own) > 100)) / RATE
    assert first_s == pytest.approx(0.9, abs=0.03)
    assert told["text"] == "counting squats"
    assert [c["text"] for c in told["chunks"]] == ["counting", "squats"]
    (start_s, middle_s), (next_s, end_s) = (c["timestamp"] for c in told["chunks"])
    assert start_s == pytest.approx(first_s, abs=0.03) and middle_s == next_s < end_s
    loud = np.flatnonzero(np.abs(own) > 100)
    assert end_s == pytest.approx(loud[-1] / RATE, abs=0.05)


@pytest.mark.e2e
def test_other_rates_interruptions_and_clean_sounds(tree: Path, answer: Any) -> None:
    assert answer() == 0
    turn = tree / TURN.format(7)
    assert len(read_audio(turn / "output.wav")) == pytest.approx(4.1003 * RATE, abs=2)
    both = tree / OVERLAP.format("1_left")
    assert {"output.wav", "output.json", "clean_output.wav", "clean_output.json"} <= names(both)
    assert transcript(both, "clean_")["text"] == "counting squats"
    interrupted = tree / INTERRUPTION.format(1)
    assert transcript(interrupted) == {"text": "", "chunks": []}, "said before the interruption"
    assert read_audio(interrupted / "output.wav").any()
    assert not list((tree / "__MACOSX").rglob("output*"))
    assert not list(tree.rglob("*.part"))


@pytest.mark.e2e
def test_a_sentence_that_the_end_of_the_input_cuts(tree: Path, answer: Any) -> None:
    answer(plan={16: SQUATS}, where=tree / PAUSE.format(2))
    folder = tree / PAUSE.format(2)
    own = read_audio(folder / "output.wav")
    assert len(own) == 4 * RATE and np.abs(own[-800:]).max() > 100, "no fade before the end"
    (chunk,) = transcript(folder)["chunks"]
    assert chunk["text"] == "counting" and 3.45 < chunk["timestamp"][0] < chunk["timestamp"][1] <= 4


@pytest.mark.e2e
def test_a_second_run_skips_and_fresh_does_not(tree: Path, answer: Any, capsys: Any) -> None:
    folder = tree / PAUSE.format(10)
    write_sound(folder / "output.wav", noise(1.0))
    other = (folder / "output.wav").read_bytes()
    assert answer() == 0
    shown = capsys.readouterr()
    assert "skipped v1.0/candor_pause_handling/10: no transcript" in shown.err
    assert "[7/7] done v1.5/user_interruption/1_left (clean): 2 words" in shown.err
    assert "candor_pause_handling              3     2        1       0      2  0 of 2" in shown.out
    assert "1 skipped without a readable output.json; next:" in shown.out
    assert (folder / "output.wav").read_bytes() == other

    assert answer(json=True) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["subsets"]["v1.5/user_interruption (clean)"] == {
        "samples": 1, "done": 0, "skipped": 1, "failed": 0, "transcripts": 1,
        "spoke": 1, "takeovers": 0}
    assert answer(fresh=True, where=folder) == 0
    assert (folder / "output.wav").read_bytes() != other


@pytest.mark.e2e
def test_bad_samples_are_named_and_the_others_run(tree: Path, answer: Any, capsys: Any) -> None:
    empty, text, torn = (tree / PAUSE.format(1), tree / PAUSE.format(2), tree / TURN.format(7))
    (empty / "input.wav").write_bytes(b"")
    (text / "input.wav").write_text("not a sound")
    (torn / "input.wav").write_bytes((torn / "input.wav").read_bytes()[:44])
    (tree / INTERRUPTION.format(1) / "interrupt.json").write_text("[]")
    assert answer() == 1
    shown = capsys.readouterr()
    for told in (shown.err, shown.out):
        assert f"{empty}/input.wav: the file is empty (0 bytes); give a file with WAV" in told
        assert f"{text}/input.wav: cannot be decoded as sound" in told
        assert f"{torn}/input.wav: " in told
        assert "interrupt.json: expected" in told and "next: get this sample again" in told
    assert "4 failed, and the official scripts stop at a sample without output" in shown.out
    assert "output.wav" in names(tree / PAUSE.format(10)) and "output.wav" not in names(empty)
    sample(tree, PAUSE.format(1))
    assert answer(where=tree / "v1.0/candor_pause_handling") == 1
    assert "candor_pause_handling        3     1        1       1" in capsys.readouterr().out


@pytest.mark.unit
def test_a_program_that_cannot_start_takes_nothing_away(tree: Path, monkeypatch: Any,
                                                        capsys: Any) -> None:
    folder = tree / PAUSE.format(1)
    write_sound(folder / "output.wav", noise(0.2))
    options = FdbenchOptions(tree, fresh=True)
    config = Config(engine=EngineConfig(weights=tree))

    def refuse(self, *_) -> None:
        raise EngineMismatch("no weights; next: tools/setup.sh")

    monkeypatch.setattr(Runner, "model", refuse)
    assert fdbench.main(config, options) == 1
    assert "tagalong fdbench: no weights; next: tools/setup.sh" in capsys.readouterr().err
    assert (folder / "output.wav").exists()


@pytest.mark.unit
def test_a_full_disk_stops_it(tree: Path, monkeypatch: Any, capsys: Any) -> None:
    def full(*_: Any, **__: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Runner, "run_files", full)
    assert fdbench.main(Config(), FdbenchOptions(tree), Runner(model=Script())) == 1
    assert f"{PAUSE.format(1)}: [Errno 28] No space left" in capsys.readouterr().err


@pytest.mark.e2e
def test_ctrl_c_says_how_to_go_on_and_the_next_run_does(tree: Path, answer: Any, monkeypatch: Any,
                                                        capsys: Any) -> None:
    task, whole = tree / "v1.0/candor_pause_handling", fdbench.write
    (task / "2" / "output.wav.part").write_bytes(b"left by a crash")

    def stopped(one: fdbench.Sample, *more: Any) -> None:
        if one.folder.name == "2":
            raise KeyboardInterrupt
        whole(one, *more)

    monkeypatch.setattr(fdbench, "write", stopped)
    with pytest.raises(KeyboardInterrupt):
        answer(where=task)
    assert "stopped with 1 of 3 samples complete; next: the same comm" in capsys.readouterr().err
    monkeypatch.setattr(fdbench, "write", whole)
    assert answer(where=task) == 0
    assert "candor_pause_handling        3     2        1       0" in capsys.readouterr().out
    assert not list(tree.rglob("*.part"))


@pytest.mark.e2e
def test_silence_is_not_praised_alone(tree: Path, answer: Any, capsys: Any) -> None:
    assert answer(plan={}, where=tree / "v1.0/candor_pause_handling") == 0
    shown = capsys.readouterr().out
    assert "0  0 of 3  (fewer is better)" in shown and "report turn-taking beside it" in shown
    assert answer(plan={}) == 0
    shown = capsys.readouterr().out
    assert "0 of 1  (more is better)" in shown and "report turn-taking beside it" not in shown


@pytest.mark.e2e
def test_a_command_through_the_network_itself(tmp_path: Path) -> None:
    """About 3 s: in an open conversation a command is answered after it, within the input."""
    asked = open_voice("espeak").speak("tagalong, what time is it?")
    folder = tmp_path / "candor_turn_taking" / "1"
    folder.mkdir(parents=True)
    write_sound(folder / "input.wav", np.concatenate(
        [np.zeros(RATE, np.int16), asked, np.zeros(3 * RATE, np.int16)]))
    assert cli.main(["fdbench", str(tmp_path)]) == 0
    own, chunks = read_audio(folder / "output.wav"), transcript(folder)["chunks"]
    assert len(own) == len(asked) + 4 * RATE
    assert not own[: RATE].any()
    assert bool(chunks) == own.any()
