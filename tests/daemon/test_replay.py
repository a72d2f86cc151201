"""`tagalong replay`: with what a recording is replayed, what is said, and the exit code."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from daemon import cli
from daemon.commands.replaying import choose_setup, weights_hash
from daemon.engines import WEIGHTS
from daemon.record import Recorder, metadata, read
from daemon.senses.audio_files import WavWriter
from daemon.turn import Floor

CHANGED_TURN = 7


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three seconds of noise through the whole program and the real network."""
    if not WEIGHTS.is_file():
        pytest.skip(f"no weights at {WEIGHTS}")
    folder = tmp_path_factory.mktemp("recorded")
    noise = np.random.default_rng(5).normal(0.0, 2000.0, 48_000).astype(np.int16)
    file = WavWriter(folder / "in.wav")
    file.append(noise)
    file.close()
    (folder / "t.toml").write_text("[session]\nstate_dir = 'state'\n")
    arguments = (f"run --config {folder}/t.toml --microphone {folder}/in.wav --camera none "
                 f"--speaker none --broker none --engine onnx --tail 0 --record {folder}/r.mcap")
    assert cli.main(arguments.split()) == 0
    return folder / "r.mcap"


@pytest.fixture
def changed(recording: Path, tmp_path: Path) -> Path:
    """The recording with one answer that this network does not give."""
    path = tmp_path / "changed.mcap"
    recorder = Recorder(path, {k: v for k, v in metadata(recording).items() if k != "format"})
    for turn, reply in read(recording):
        floor = Floor.DUCK if reply.floor is not Floor.DUCK else Floor.KEEP
        odd = replace(reply, floor=floor) if turn.index == CHANGED_TURN else reply
        recorder.turn(turn, odd)
    recorder.close()
    return path


Told = pytest.CaptureFixture[str]


@pytest.mark.e2e
def test_the_same_network_gives_the_same_answers(recording: Path, capsys: Told) -> None:
    assert cli.main(["replay", str(recording), "--assert"]) == 0
    out, err = capsys.readouterr()
    assert out.startswith("recorded with: ") and "no difference" in out and not err


@pytest.mark.e2e
def test_a_difference_is_named_and_with_assert_it_fails(changed: Path, capsys: Told) -> None:
    assert cli.main(["replay", str(changed), "--assert"]) == 1
    assert f"first difference: micro-turn {CHANGED_TURN} (1.6 s), floor" in capsys.readouterr().out
    assert cli.main(["replay", str(changed)]) == 0


@pytest.mark.unit
@pytest.mark.parametrize(("make", "cause"), [
    (lambda path: None, "there is no such file; next: ls "),
    (lambda path: path.mkdir(), "is a folder, a file was expected; next: ls "),
    (lambda path: path.write_bytes(b"RIFF" * 99), "is damaged or no MCAP file"),
])  # fmt: skip
def test_what_cannot_be_replayed_is_refused_with_a_next_step(
    make: Callable[[Path], object], cause: str, tmp_path: Path, capsys: Told
) -> None:
    make(tmp_path / "r.mcap")
    assert cli.main(["replay", str(tmp_path / "r.mcap")]) == 2
    err = capsys.readouterr().err
    assert cause in err and "next: " in err and "r.mcap" in err and "Errno" not in err


@pytest.mark.unit
def test_engine_and_weights_are_the_recordings_unless_flags_say_otherwise(tmp_path: Path) -> None:
    step = tmp_path / "own.onnx"
    for suffix in (".onnx", ".bin"):
        step.with_suffix(suffix).write_bytes(b"x")
    own = {"engine": "torch", "weights": weights_hash(step),
           "config": json.dumps({"engine": {"weights": str(step), "threads": 2}})}  # fmt: skip
    setup = choose_setup(own, None, None)
    assert (setup.engine, setup.weights, setup.threads, setup.notes) == ("torch", step, 2, ())
    assert "recorded on engine torch, replayed on onnx" in choose_setup(own, "onnx", None).notes[0]
    assert choose_setup({**own, "engine": "scripted"}, None, None).engine == "auto"
    other = tmp_path / "other.toml"
    other.write_text("[engine]\nweights = 'gone.onnx'\n")
    named = choose_setup(own, None, other)
    assert named.weights == tmp_path / "gone.onnx"
    assert "the weights differ: recorded with 2d711642b726, replayed with none" in named.notes[0]


@pytest.mark.unit
def test_weights_that_are_gone_give_way_to_the_bundled_ones_and_it_is_said(tmp_path: Path) -> None:
    gone = {"engine": "onnx", "weights": "0123456789ab",
            "config": json.dumps({"engine": {"weights": str(tmp_path / "gone.onnx")}})}  # fmt: skip
    setup = choose_setup(gone, None, None)
    assert setup.weights == WEIGHTS and "recording's weights are not here" in setup.notes[0]
    assert "the weights differ: recorded with 0123456789ab" in setup.notes[1]
