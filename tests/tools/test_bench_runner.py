"""The runner keeps what was found, goes on where it stopped, and writes the promised shapes."""

import json
from dataclasses import replace

import pytest
from PIL import Image
from rich.console import Console

pytest.importorskip("scipy", reason="scipy is not installed: items cannot be made")

from tools.benchmark import picture, quality, report, runner  # noqa: E402
from tools.benchmark.__main__ import parser  # noqa: E402
from tools.benchmark.quality import Plan, plan_of  # noqa: E402
from tools.benchmark.runner import CASCADE, PROGRAM, Part  # noqa: E402
from tools.benchmark.source import SEEN, TUNING_SEEDS, UNSEEN, Source  # noqa: E402
from tools.benchmark.suites import SUITES  # noqa: E402

pytestmark = pytest.mark.unit
FINDING = {"kind": "empty", "counts": 0, "silent": True}
"""Of the suite `nothing`."""
PART = Part("nothing", Source(UNSEEN), PROGRAM)


@pytest.fixture
def ran(monkeypatch) -> list[tuple[str, int]]:
    """Items that were really run, by column; a run costs nothing here."""
    done: list[tuple[str, int]] = []

    def run_item(parts: tuple[Part, ...], number: int) -> list[dict]:
        done.extend((part.column, number) for part in parts)
        return [FINDING] * len(parts)

    monkeypatch.setattr(runner, "run_item", run_item)
    return done


def _plan(out, **more) -> Plan:
    return Plan(**({"suites": ("nothing",), "items": 3, "out": out} | more))


def test_a_second_run_runs_nothing_again_and_finds_the_same(ran, tmp_path):
    first = quality.quality(_plan(tmp_path))
    assert len(ran) == 6 and {c for c, _ in ran} == {SEEN, UNSEEN}
    assert quality.quality(_plan(tmp_path)) == first and len(ran) == 6


def test_a_stopped_run_goes_on_behind_what_is_there(ran, tmp_path):
    runner.add(PART, 1, FINDING, tmp_path)
    quality.quality(_plan(tmp_path, columns=(UNSEEN,)))
    assert [n for _, n in ran] == [0, 2]


def test_half_a_line_of_a_killed_run_is_dropped(ran, tmp_path):
    runner.add(PART, 0, FINDING, tmp_path)
    with open(PART.path(tmp_path), "a") as file:
        file.write('{"item": "nothing-unse')
    assert list(runner.left(PART, 2, tmp_path)) == [1]
    runner.add(PART, 1, FINDING, tmp_path)
    assert not list(runner.left(PART, 2, tmp_path))
    assert len(PART.path(tmp_path).read_text().splitlines()) == 2


def test_findings_of_other_weights_or_code_do_not_count(ran, tmp_path):
    runner.add(PART, 0, FINDING, tmp_path)
    path = PART.path(tmp_path)
    path.write_text(path.read_text().replace(runner.key_of(PART), "0" * 12))
    assert list(runner.left(PART, 1, tmp_path)) == [0]


def test_the_key_depends_on_weights_and_on_the_suite(tmp_path):
    other = tmp_path / "step.onnx"
    other.with_suffix(".bin").write_bytes(b"other weights")
    other.with_suffix(".json").write_text('{"floor_bias": 0.0}')
    keys = {runner.key_of(PART), runner.key_of(Part("commands", Source(UNSEEN), PROGRAM)),
            runner.key_of(Part("nothing", Source(UNSEEN), PROGRAM, other)),
            runner.key_of(Part("nothing", Source(UNSEEN), CASCADE))}
    assert len(keys) == 4
    before = runner.key_of(Part("nothing", Source(UNSEEN), PROGRAM, other))
    other.with_suffix(".json").write_text('{"floor_bias": -1.0}')
    runner.key_of.cache_clear()
    assert runner.key_of(Part("nothing", Source(UNSEEN), PROGRAM, other)) != before
    assert runner.key_of(PART) == runner.key_of(Part("nothing", Source(SEEN), PROGRAM))


def test_fresh_forgets(ran, tmp_path):
    quality.quality(_plan(tmp_path))
    quality.quality(_plan(tmp_path, fresh=True))
    assert len(ran) == 12


def test_findings_of_two_programs_are_reported_as_such(ran, tmp_path):
    runner.add(PART, 0, FINDING, tmp_path)
    path = PART.path(tmp_path)
    path.write_text(path.read_text().replace(runner.program_hash(), "0" * 8))
    found = quality.quality(_plan(tmp_path, columns=(UNSEEN,)))
    assert runner.program_hash() in found["nothing"][UNSEEN]["found by several programs"]


def test_json_is_suite_column_items_and_figures(ran, tmp_path, monkeypatch):
    out = tmp_path / "figures.json"
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", ["bench", "quality", "--suite", "nothing", "--items", "2",
                                     "--json", str(out)])
    from tools.benchmark.__main__ import main
    main()
    figures = json.loads(out.read_text())
    assert figures["nothing"]["unseen"]["items"] == 2
    assert figures["nothing"]["seen"]["silent %"] == 100.0
    assert (tmp_path / "out" / "bench" / "nothing.png").exists()


def test_the_baseline_stands_beside_on_the_same_items_unless_left_out():
    columns = [p.column for p in Plan().parts("commands")]
    assert columns == ["seen", "seen (cascade)", "unseen", "unseen (cascade)"]
    assert all(p.system == PROGRAM for p in Plan(baseline=False).parts("commands"))
    names = {p.name(7) for p in Plan(columns=(UNSEEN,)).parts("commands")}
    assert names == {"commands-unseen-1-7"}


def test_both_systems_hear_the_same_sound(monkeypatch):
    class System:
        def run(self, item):
            return item

    suite = SUITES["nothing"]
    made = iter(range(5))
    fake = replace(suite, make=lambda source, n: next(made), score=lambda item, found: {"x": found})
    monkeypatch.setitem(SUITES, "nothing", fake)
    monkeypatch.setattr(runner, "_system", lambda part: System())
    parts = (PART, Part("nothing", Source(UNSEEN), CASCADE))
    assert runner.run_item(parts, 0) == [{"x": 0}, {"x": 0}]


def test_only_the_system_that_lacks_an_item_runs_it(ran, tmp_path):
    runner.add(Part("commands", Source(UNSEEN), PROGRAM), 0, {}, tmp_path)
    todo = quality._todo(Plan(items=1, out=tmp_path), tuple(
        Plan(columns=(UNSEEN,)).parts("commands")))
    assert [([p.system for p in parts], n) for parts, n in todo] == [([CASCADE], 0)]


def test_tuning_has_no_column_of_what_training_saw():
    assert {p.source.column for p in Plan(seed=TUNING_SEEDS).parts("overlap")} == {"unseen", "real"}


def test_a_quick_run_has_one_column_and_few_items():
    for name, suite in SUITES.items():
        plan = Plan(quick=True)
        parts = plan.parts(name)
        assert len({p.source.column for p in parts}) == 1
        assert all(0 <= plan.count(p) <= suite.quick for p in parts)


def test_a_quick_run_begins_nothing_after_its_time(ran, tmp_path, monkeypatch):
    monkeypatch.setattr(quality, "QUICK_S", 0.0)
    quality.quality(_plan(tmp_path, quick=True))
    assert not ran


@pytest.mark.parametrize("name", SUITES)
def test_a_full_run_has_a_hundred_items_where_items_are_made(name):
    suite = SUITES[name]
    made = {name: suite.size(Source(name)) for name in suite.columns if name != "real"}
    least = 36 if suite is SUITES["silence"] else 100  # five minutes each: three hours
    assert all(count >= least for count in made.values())


def test_options_become_a_plan():
    given = parser().parse_args(["quality", "--suite", "words", "--quick", "--seed", "9", "--jobs",
                                 "2", "--no-baseline", "--column", "real"])
    assert plan_of(given) == Plan(("words",), ("real",), 9, True, 0, False, 2)


COLUMNS = {"unseen": {"items": 100, "right %": 72.5, "late, median s": 0.41, "share": "3 of 4"},
           "unseen (cascade)": {"items": 100, "right %": 40.0, "late, median s": None}}


def test_the_table_has_a_line_a_figure_and_a_dash_for_nothing():
    console = Console(width=100, record=True, file=open("/dev/null", "w"))
    report.show("made-up", COLUMNS, console)
    text = console.export_text()
    assert "72.5" in text and "3 of 4" in text
    late = next(line for line in text.splitlines() if "late" in line)
    assert "0.41" in late and "-" in late.split("│")[3]


def test_the_picture_is_wide_enough_to_read_and_grows_with_the_figures(tmp_path):
    sizes = []
    for figures in (COLUMNS, {"unseen": {"items": 0}}):
        picture.draw("Made up", figures, tmp_path / "p.png")
        sizes.append(Image.open(tmp_path / "p.png").size)
    assert sizes[0][0] == sizes[1][0] == picture.WIDTH and sizes[0][1] > sizes[1][1]
