"""A run that ends when dev gets no better: where it ends follows from its scores, however often it was stopped."""

import json

import pytest

import transferhub as hub
from conftest import Crash, crash_at
from transferhub import atomic
from transferhub.engine.config import RunConfig
from transferhub.engine.training import Splits, Training
from transferhub.errors import ConfigError, RunError
from transferhub.reader import Columns

SETTINGS = {"num_epoch": 4, "eval_interval": 2, "early_stopping": 3, "save_ckpt_interval": 1}


@pytest.fixture
def make(make_task):
    """A task of 32 steps whose dev scores are, evaluation for evaluation, those given."""

    def task(folder, scores=(0.1, 0.5, 0.4, 0.5, 0.3, 0.9), **settings):
        made = make_task(checkpoint_dir=folder, **{**SETTINGS, **settings})
        meter = made.meter

        def scored(columns=None):
            result = meter()
            if made.training is not None and made.current_step % 2 == 0 and made.current_step:
                place = made.current_step // 2 - 1
                result.scores = lambda: {"acc": scores[place] if place < len(scores) else 0.0}
            return result

        made.meter = scored
        return made

    return task


def bits(folder, step):
    return [atomic.sha256(folder / place / "model.safetensors") for place in ("best_model", f"step_{step}")]


def test_it_stops_after_that_many_evaluations_without_a_better_score(make, in_tmp, lines):
    result = make("run").finetune_and_eval()
    assert (result.steps, result.best_step, result.stopped_early) == (10, 4, True)
    said = "step 10 of 32, 3 evaluations on dev without a better acc than 0.50000 at step 4"
    assert f"[    INFO] - Stopped early: {said}" in lines
    assert f"stopped early: {said}" in result.notes
    assert said in (in_tmp / "run" / "report.html").read_text()
    evaluated = [line for line in lines if "dev dataset evaluation result" in line]
    assert len(evaluated) == 5, "no evaluation of the same weights twice"


def test_an_equal_score_is_no_better_one_and_one_that_is_no_number_never_is(make, in_tmp):
    assert make("equal", scores=[0.5] * 9).finetune_and_eval().steps == 8
    assert make("nan", scores=[0.5, *[float("nan")] * 9]).finetune_and_eval().steps == 8
    rising = make("rising", scores=[number / 100 for number in range(16)]).finetune_and_eval()
    assert (rising.steps, rising.stopped_early) == (32, False)


def test_a_run_that_ends_as_its_patience_does_has_not_stopped_early(make, in_tmp):
    scores = [number / 100 for number in range(13)] + [0.0] * 3
    result = make("run", scores=scores).finetune_and_eval()
    assert (result.steps, result.stopped_early, result.best_step) == (32, False, 26)


@pytest.mark.parametrize("moments", [[3], [6, 9], [10], [5, 7, 8, 10]])
def test_crashes_change_neither_the_step_nor_a_bit(make, in_tmp, moments):
    quiet = make("quiet").finetune_and_eval()
    for moment in moments:
        crash_at(make("stopped"), moment)
    stopped = make("stopped").finetune_and_eval()
    assert (stopped.steps, stopped.best_step, stopped.notes) == (quiet.steps, quiet.best_step, quiet.notes)
    assert bits(in_tmp / "stopped", 10) == bits(in_tmp / "quiet", 10)


def test_a_crash_between_stopping_and_the_report_is_gone_on_with_there(make, in_tmp, monkeypatch):
    def crash(*arguments):
        raise Crash

    with monkeypatch.context() as patched:
        patched.setattr("transferhub.task.finetuning.write_page", crash)
        with pytest.raises(Crash):
            make("run").finetune_and_eval()
    result = make("run").finetune_and_eval()
    assert (result.steps, result.stopped_early) == (10, True)


def test_a_run_that_stopped_early_is_finished(make, in_tmp, lines):
    first = make("run").finetune_and_eval()
    before = bits(in_tmp / "run", 10)
    lines.clear()
    assert make("run").finetune_and_eval() == first
    assert any("is finished: nothing to train" in line for line in lines)
    assert bits(in_tmp / "run", 10) == before


def test_the_rates_are_those_of_the_whole_plan(make, in_tmp):
    rates = {}
    for name, patience in (("patient", None), ("impatient", 3)):
        task = make(name, early_stopping=patience, log_interval=1)
        seen = rates.setdefault(name, [])

        def see(task, states, seen=seen):
            seen.append(task.training.progress.curves[-1]["rate"])

        task.add_hook("log_interval", "see", see)
        task.finetune_and_eval()
    assert len(rates["impatient"]) == 10
    assert rates["impatient"] == rates["patient"][:10]


def test_how_often_dev_is_looked_at_now_determines_the_run(make, in_tmp):
    make("run").finetune_and_eval()
    settings = json.loads((in_tmp / "run" / "run.json").read_text())["settings"]
    assert (settings["early_stopping"], settings["eval_interval"]) == (3, 2)
    with pytest.raises(RunError, match=r"early_stopping: 3 there, 4 now"):
        make("run", early_stopping=4).finetune_and_eval()
    with pytest.raises(RunError, match=r"eval_interval: 2 there, 4 now"):
        make("run", eval_interval=4).finetune_and_eval()
    assert not {"early_stopping", "eval_interval"} & RunConfig().settings().keys()


def test_it_needs_evaluations(make, tiny, review_files, in_tmp):
    with pytest.raises(ConfigError, match="evaluates at the end only"):
        make("run").finetune()
    splits = Splits(Columns.from_rows({"input_ids": [[1]]}, [0]), None, {}, str)
    with pytest.raises(ConfigError, match="early_stopping=2 without dev rows"):
        Training(None, None, splits, None, RunConfig(early_stopping=2), "fp32", None, in_tmp, None)
    with pytest.raises(ConfigError, match="early_stopping=0"):
        RunConfig(early_stopping=0)
    with pytest.raises(ConfigError, match="early_stopping=True"):
        RunConfig(early_stopping=True)
    config = hub.RunConfig(precision="fp32", batch_size=16, early_stopping=1, eval_interval=1, checkpoint_dir="run")
    task = hub.TextClassifierTask(module=hub.Module(directory=tiny), dataset=str(review_files["train"]), config=config)
    assert task.finetune_and_eval().dev is not None, "a tenth of the training rows"


def test_a_damaged_best_model_gives_the_run_its_patience_back(make, in_tmp):
    crash_at(make("run"), 9)
    (in_tmp / "run" / "best_model" / "model.safetensors").write_bytes(b"")
    result = make("run").finetune_and_eval()
    assert (result.best_step, result.steps) == (12, 18), "0.3 at step 10 is the best there is, then 0.9 at step 12"
