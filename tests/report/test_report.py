import json
import re
import sys
import xml.etree.ElementTree as ElementTree
from html.parser import HTMLParser
from pathlib import Path
from types import SimpleNamespace

import pytest

from conftest import crash_at
from recorded import visualdl
from transferhub.report.charts import Line, line_chart
from transferhub.report.html import Confusion, Mistake, Report, write_report
from transferhub.report.scalars import Scalars

__all__ = ["visualdl"]  # a fixture


def page(tmp_path, **changes):
    fields = {
        "title": "minilm on <b>reviews</b>",
        "subtitle": "today",
        "headline": [("acc on dev", "91.0 %")],
        "summary": [("rows", "3 train")],
        "curves": [
            {"split": "train", "step": 10, "loss": 0.7, "scores": {"acc": 0.5}, "rate": 1e-4},
            {"split": "train", "step": 20, "loss": 0.5, "scores": {"acc": 0.8}, "rate": 5e-5},
            {"split": "dev", "step": 20, "loss": 0.6, "scores": {"acc": 0.7}, "rate": None},
        ],
        "rates": {"weights": [(0, 0.0), (10, 1e-4), (20, 0.0)]},
        "plan": "adamw, 20 steps",
        "confusions": [Confusion("dev", ["neg", "pos"], [[8, 2], [0, 10]])],
        "mistakes": [Mistake("neg", "pos", 0.987, "<script>alert(1)</script> great, not", "dev.csv:7")],
        "settings": {"seed": 42},
        **changes,
    }
    write_report(tmp_path / "report.html", Report(**fields))
    return (tmp_path / "report.html").read_text()


def test_the_page_shows_everything_and_escapes_what_people_wrote(tmp_path):
    html = page(tmp_path)
    assert "<script>" not in html
    assert "&lt;script&gt;alert(1)" in html
    for shown in (
        "91.0 %",
        "adamw, 20 steps",
        "dev.csv:7",
        "0.987",
        "80.0 %",
        "&#34;seed&#34;: 42",
        "minilm on &lt;b&gt;",
    ):
        assert shown in html, shown
    assert html.count("<svg") == 3


def test_the_page_needs_no_network_and_no_script(tmp_path):
    html = page(tmp_path)
    assert not re.search(r"https?://|<script|<link|<img|@import|url\(", html)


def test_tags_are_closed_and_charts_are_well_formed(tmp_path):
    open_tags: list[str] = []

    class Check(HTMLParser):
        def handle_starttag(self, tag, attrs):
            if tag not in ("meta", "line", "circle", "polyline", "br"):
                open_tags.append(tag)

        def handle_endtag(self, tag):
            if tag in open_tags:
                assert open_tags.pop() == tag

    Check().feed(page(tmp_path))
    assert open_tags == []
    for svg in re.findall(r"<svg.*?</svg>", page(tmp_path), re.S):
        ElementTree.fromstring(svg)


def test_a_run_without_mistakes_says_none(tmp_path):
    assert "<p>None.</p>" in page(tmp_path, mistakes=[])


def test_a_chart_places_its_points_between_the_axes():
    svg = line_chart([Line("loss", [(0, 1.0), (50, 3.0), (100, 2.0)])])
    points = re.search(r'points="([^"]+)"', svg).group(1).split()
    xs, ys = zip(*((float(x), float(y)) for x, y in (point.split(",") for point in points)), strict=True)
    assert xs[0] < xs[1] < xs[2]
    assert ys[1] == min(ys)
    assert ys[0] == max(ys)


def test_charts_of_nothing_of_one_value_and_of_nan():
    assert line_chart([]) == ""
    assert line_chart([Line("a", [(1, float("nan"))])]) == ""
    assert "polyline" in line_chart([Line("a", [(1, 0.5)])])
    assert "nan" not in line_chart([Line("a", [(1, 0.5), (2, float("inf")), (3, 0.5)])])


def test_a_real_run_writes_a_page_with_its_own_figures(make_task, in_tmp):
    result = make_task(checkpoint_dir="run").finetune_and_eval()
    html = (in_tmp / "run" / "report.html").read_text()
    assert f"{100 * result.dev['acc']:.1f} %" in html
    counts = [int(n) for n in re.findall(r'<td class="number (?:hit|miss|)">(\d+)</td>', html)]
    assert sum(counts) == 48, "24 dev rows and 24 test rows in two confusion matrices"
    assert json.dumps("TextClassifierTask").replace('"', "&#34;") in html


def test_tensorboard_reads_the_curves(make_task, in_tmp):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    make_task(checkpoint_dir="run").finetune_and_eval()
    events = EventAccumulator(str(in_tmp / "run" / "visualization")).Reload()
    assert set(events.Tags()["scalars"]) == {"Loss_train", "acc_train", "learning_rate", "Loss_dev", "acc_dev"}
    assert [event.step for event in events.Scalars("Loss_train")] == [4, 8, 12, 16]
    assert [event.step for event in events.Scalars("acc_dev")] == [6, 12, 16]


def test_visualdl_where_it_is_installed_is_given_the_same_curves(make_task, in_tmp, visualdl):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    make_task(checkpoint_dir="run").finetune_and_eval()
    (writer,) = visualdl.written
    assert writer.closed
    assert writer.file.parent == Path("run/visualization")
    events = EventAccumulator("run/visualization").Reload()
    for tag in events.Tags()["scalars"]:
        ours = [(value, step) for name, value, step in writer.scalars if name == tag]
        assert [step for _, step in ours] == [event.step for event in events.Scalars(tag)]
        assert [value for value, _ in ours] == pytest.approx([event.value for event in events.Scalars(tag)])
    assert not Path("run/vdllog").exists(), "only runs over ELMo have the folder of document 001"


def test_visualdl_reads_one_file_of_a_folder_so_a_run_that_goes_on_writes_all_again(make_task, in_tmp, visualdl):
    make_task(checkpoint_dir="quiet").finetune_and_eval()
    crash_at(make_task(checkpoint_dir="run"), 8)
    make_task(checkpoint_dir="run").finetune_and_eval()
    whole, first, second = visualdl.written
    assert [step for _, _, step in first.scalars][-1] <= 8
    assert second.scalars == whole.scalars
    assert list(Path("run/visualization").glob("*vdlrecords*")) == [second.file]


def test_a_visualdl_that_cannot_be_loaded_or_written_is_said_and_the_rest_goes_on(tmp_path, monkeypatch, lines):
    class Broken:
        def __getattr__(self, name):
            raise TypeError("Descriptors cannot be created directly.")

    def full(logdir):
        raise OSError("No space left on device")

    entry = {"split": "dev", "step": 3, "loss": 0.5, "scores": {"auc_50%": 1}, "rate": None}
    for module, said in ((Broken(), "Descriptors"), (SimpleNamespace(LogWriter=full), "VisualDL's curves cannot be")):
        monkeypatch.setitem(sys.modules, "visualdl", module)
        scalars = Scalars(tmp_path)
        scalars.write(entry)
        scalars.close()
        assert said in lines[-1]
    assert len(list(tmp_path.glob("visualization/*tfevents*"))) == 2


def test_document_001s_folder_is_the_same_folder(tmp_path, visualdl):
    entry = {"split": "dev", "step": 3, "loss": 0.5, "scores": {"auc_50%": 1}, "rate": None}
    for _ in range(2):  # when a run goes on the link is there
        scalars = Scalars(tmp_path, as_1_0=True)
        scalars.write(entry)
        scalars.close()
    assert list(tmp_path.glob("vdllog/*tfevents*"))
    assert visualdl.written[-1].scalars == [("Loss_dev", 0.5, 3), ("auc_50__dev", 1.0, 3)]
