"""The page's blocks run as they stand, in both languages the same."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from conftest import reviews, write_csv

DOCS = Path(__file__).resolve().parents[2] / "docs"


def blocks(page, language):
    return re.findall(rf"```{language}\n(.*?)```", (DOCS / page).read_text(encoding="utf-8"), re.S)


@pytest.mark.parametrize("language", ["python", "yaml"])
def test_both_languages_hold_the_same_blocks(language):
    def code(page):
        return [re.sub(r"\s*#.*", "", block) for block in blocks(page, language)]

    assert code("tune.md") == code("tune.zh.md")


def test_the_pages_script_is_searched(in_tmp, tiny):
    write_csv(in_tmp / "reviews.csv", reviews(40, 1))
    script = blocks("tune.md", "python")[0].replace('"minilm"', repr(str(tiny)))
    (in_tmp / "train.py").write_text(script, encoding="utf-8")
    (in_tmp / "hparam.yaml").write_text(blocks("tune.md", "yaml")[0], encoding="utf-8")
    (command,) = (line for line in "".join(blocks("tune.md", "bash")).splitlines() if "autofinetune" in line)
    words = command.replace("--popsize 5", "--popsize 1").replace("--round 10", "--round 2").split()[1:]
    words[words.index("fulltrail")] = "populationbased"
    run = [sys.executable, "-m", "transferhub.commands", *words]
    ended = subprocess.run(run, cwd=in_tmp, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    assert (in_tmp / "search/best_model/task.json").is_file()
    assert "--epochs=1" in (in_tmp / "search/round1/log-0.info").read_text()


def test_the_pages_search_in_python_runs(in_tmp, tiny, capsys):
    write_csv(in_tmp / "reviews.csv", reviews(40, 1))
    block = blocks("tune.md", "python")[1].replace('"minilm"', repr(str(tiny))).replace("trials=20", "trials=2")
    exec(block, {})
    assert "'learning_rate'" in capsys.readouterr().out
