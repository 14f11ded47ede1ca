"""`hub.tune` on a tiny encoder: what a study keeps, how it goes on, what it refuses."""

import csv
import errno
import json
import math
import time

import pytest

import transferhub as hub
from conftest import read_json, reviews, write_csv
from transferhub.errors import ConfigError, DataError, RunError, StorageError
from transferhub.reader import ClassifyReader
from transferhub.tune.search import seconds_of

SPACE = {"learning_rate": (1e-4, 2e-2, "log"), "batch_size": [8, 16]}


@pytest.fixture
def make(make_task):
    def factory(values):
        strategy = hub.AdamWeightDecayStrategy(learning_rate=values["learning_rate"])
        return make_task(strategy=strategy, batch_size=values.get("batch_size", 16), num_epoch=2)

    return factory


@pytest.fixture
def search(make, in_tmp):
    def run(folder="study", factory=make, space=SPACE, **more):
        given = {"trials": 3, "pruner": "none", "first": {"learning_rate": 5e-3}, **more}
        return hub.tune(factory, space, checkpoint_dir=in_tmp / folder, **given)

    return run


def table(result):
    with open(result.table, encoding="utf-8") as file:
        return list(csv.DictReader(file))


def outcome(result):
    return [(row["learning_rate"], row["batch_size"], row["state"], row["score"]) for row in table(result)]


def test_a_study_ends_with_the_best_model_a_table_and_one_look_at_test(search, in_tmp, lines):
    result = search(trials=5)
    assert (result.complete, result.running, result.metric) == (5, 0, "acc")
    rows = table(result)
    assert float(rows[0]["learning_rate"]) == 5e-3
    assert result.score == max(float(row["score"]) for row in rows) == result.dev["acc"]
    best = in_tmp / "study" / "trials" / f"{result.trial:04d}"
    assert [path.parent for path in sorted((in_tmp / "study/trials").glob("*/best_model"))] == [best]
    assert not list((in_tmp / "study/trials").glob("*/step_*"))
    assert all(read_json(path)["result"]["test"] is None for path in (in_tmp / "study/trials").glob("*/run.json"))
    assert sum("Evaluation on test dataset start" in line for line in lines) == 1
    assert hub.load(result.best_model).evaluate(str(in_tmp / "test.csv"))["acc"] == result.test["acc"]
    assert set(result.importance) == {"learning_rate", "batch_size"}
    assert "best so far" in (in_tmp / "study/report.html").read_text()
    said = [line for line in lines if "] - trial " in line]
    assert len(said) == 5
    assert all("(best 0." in line or "(best 1." in line for line in said)
    lines.clear()
    before = outcome(result)
    assert search(trials=5) == result
    assert not any("finetune start" in line or "test dataset" in line for line in lines)
    more = search(trials=6)
    assert more.complete == 6
    assert outcome(more)[:5] == before
    assert sum("finetune start" in line for line in lines) == 1


def test_trials_share_rows_of_ids_and_features(search, tiny, review_files, lines, monkeypatch):
    read, reads = ClassifyReader.read, []
    monkeypatch.setattr(ClassifyReader, "read", lambda self, rows: reads.append(len(rows)) or read(self, rows))

    def frozen(values):
        _, outputs, _ = hub.Module(directory=tiny).context(trainable=False, max_seq_len=16)
        strategy = hub.AdamWeightDecayStrategy(learning_rate=values["learning_rate"])
        config = hub.RunConfig(num_epoch=3, batch_size=16, precision="fp32", strategy=strategy)
        rows = hub.dataset.load(*(review_files[split] for split in ("train", "dev", "test")))
        return hub.TextClassifierTask(2, outputs["pooled_output"], dataset=rows, config=config)

    assert search(factory=frozen, space={"learning_rate": (1e-3, 1e-1, "log")}).complete == 3
    assert len(reads) == 3, "train, dev and test, once each"
    assert sum("are computed once" in line for line in lines) == 2, "train and dev"


def test_a_study_that_was_stopped_anywhere_ends_as_one_that_was_not(search, make, lines):
    whole = search("whole")
    stops = [(0, 3), (0, 11), (1, 5), (2, 1)]  # trial and step

    def stopping(values):
        task = make(values)

        def stop(task, states):
            number = int(task.run_path.name)
            if stops and stops[0] <= (number, task.current_step):
                stops.pop(0)
                raise KeyboardInterrupt

        task.add_hook("run_step", "stop", stop)
        return task

    for _ in range(4):
        with pytest.raises(KeyboardInterrupt):
            search("stopped", stopping)
    result = search("stopped", stopping)
    assert outcome(result) == outcome(whole)
    assert result.test == whole.test
    assert any("Trial 1 was stopped before its end: it goes on" in line for line in lines)


def test_settings_that_cannot_train_fail_their_trial_and_not_the_search(search, lines, in_tmp):
    result = search(space={"learning_rate": [5e-3, 1e30]}, trials=5, sampler="random", seed=1)
    failed = [row for row in table(result) if row["state"] == "failed"]
    assert failed
    assert all(row["learning_rate"] == "1e+30" and not row["score"] and "not finite" in row["error"] for row in failed)
    assert result.best == {"learning_rate": 5e-3}
    assert any("failed (learning_rate 1e+30): the" in line for line in lines)
    with pytest.raises(RunError, match=r"none of the 1 trials (.|\n)*not finite"):
        search("all", space={"learning_rate": [1e30]}, trials=1, first={})


def test_what_the_first_trial_is_refused_for_ends_the_search_and_can_be_mended(search, make, in_tmp):
    def broken(values):
        raise DataError("no rows")

    with pytest.raises(DataError, match="no rows"):
        search(factory=broken)
    with pytest.raises(ConfigError, match="returned 3"):
        search(factory=lambda values: 3)
    assert search().complete == 3


@pytest.mark.parametrize("pruner", ["asha", "median"])
def test_trials_that_score_low_on_dev_are_stopped_early(search, make, pruner):
    def scored_by_rate(values):
        task = make(values)
        task.rank = lambda scores, loss: values["learning_rate"]
        return task

    space = {"learning_rate": (1e-4, 5e-3)}
    result = search(factory=scored_by_rate, space=space, pruner=pruner, trials=12, sampler="random")
    rows = table(result)
    pruned = [float(row["learning_rate"]) for row in rows if row["state"] == "pruned"]
    assert len(pruned) == result.pruned > 0
    assert all(int(row["evaluations"]) < 4 for row in rows if row["state"] == "pruned")
    assert result.best["learning_rate"] == result.score == 5e-3 > max(pruned)


@pytest.mark.parametrize("sampler", ["cmaes", "random"])
def test_samplers_begin_with_what_is_known_and_never_draw_twice(search, sampler):
    result = search(sampler=sampler, trials=4, space={"learning_rate": (1e-4, 1e-2), "weight": (0.0, 1.0)})
    rates = [row["learning_rate"] for row in table(result)]
    assert float(rates[0]) == 5e-3
    assert len(set(rates)) == 4


def test_other_searches_and_other_rows_are_kept_out_of_a_folder(search, in_tmp, review_files):
    search(trials=1)
    with pytest.raises(RunError, match=r"belongs to another search(.|\n)*space.learning_rate.low"):
        search(space={**SPACE, "learning_rate": (1e-6, 2e-2, "log")})
    with pytest.raises(RunError, match=r"settings|seed: 42 there, 7 now"):
        search(seed=7)
    write_csv(review_files["train"], reviews(48, 9))
    with pytest.raises(RunError, match=r"the rows are not those(.|\n)*train: .64 rows"):
        search(trials=2)
    assert search(trials=1, seed=7, overwrite=True).complete == 1
    (in_tmp / "study" / "study.json").write_text("{}")
    with pytest.raises(RunError, match="cannot be read"):
        search()
    (in_tmp / "foreign").mkdir()
    (in_tmp / "foreign" / "report.html").write_text("")
    with pytest.raises(RunError, match=r"no study\.json"):
        search("foreign")
    assert (in_tmp / "foreign" / "report.html").exists()


def test_bad_arguments_are_said(search, in_tmp):
    for more, said in (
        ({"trials": 0}, "trials=0"),
        ({"workers": 1.5}, "workers=1.5"),
        ({"keep": True}, "keep=True"),
        ({"sampler": "tpr"}, "did you mean 'tpe'"),
        ({"pruner": "hyperband"}, "one of asha, median, none"),
        ({"timeout": "soon"}, "timeout 'soon'"),
        ({"first": {"rate": 1}}, "'rate' is not searched"),
        ({"storage": "nonsense"}, "a database that Optuna can open"),
        ({"storage": "nodb://x"}, "a database that Optuna can open"),
    ):
        with pytest.raises(ConfigError, match=said):
            search(f"bad{len(said)}", **more)
    (in_tmp / "file").write_text("")
    with pytest.raises(StorageError, match="cannot be written"):
        search("file/study")


def test_times_are_read():
    assert [seconds_of(given) for given in (90, "90", "30m", "1h30m", "2h5s")] == [90, 90, 1800, 5400, 7205]
    for given in ("", "0", -1, "1d", math.inf, math.nan):
        with pytest.raises(ConfigError, match="timeout"):
            seconds_of(given)


def test_when_the_time_is_up_a_trial_goes_on_at_the_next_start(search, make, lines):
    def slow(values):
        task = make(values)
        task.add_hook("eval_start", "slow", lambda task: time.sleep(0.4))
        return task

    with pytest.raises(RunError, match=r"no trial .* was finished in time"):
        search(factory=slow, timeout=0.3)
    assert any("has a checkpoint and goes on at the next start" in line for line in lines)
    assert search().complete == 3
    assert sum("Model checkpoint loaded" in line for line in lines) == 1


def test_a_torn_line_of_the_journal_is_cut_off(search, in_tmp, lines):
    first = outcome(search(trials=2))
    with open(in_tmp / "study/journal.log", "ab") as file:
        file.write(b'{"op_code":6,"work')
    result = search(trials=3)
    assert any("ends in a torn line" in line for line in lines)
    assert outcome(result)[:2] == first
    assert result.complete == 3
    for line in (in_tmp / "study/journal.log").read_text().splitlines():
        json.loads(line)


def test_a_full_disk_ends_the_search_and_nothing_is_lost(search, monkeypatch):
    from optuna.storages.journal import JournalFileBackend

    append, room = JournalFileBackend.append_logs, [25]

    def fill(self, logs):
        room[0] -= 1
        if room[0] < 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        append(self, logs)

    with monkeypatch.context() as full:
        full.setattr(JournalFileBackend, "append_logs", fill)
        with pytest.raises(StorageError, match="cannot be written: No space left"):
            search(trials=5)
    assert search(trials=5).complete == 5


def test_a_database_holds_the_study_of_machines_without_a_shared_folder(search, in_tmp):
    storage = f"sqlite:///{in_tmp / 'study.db'}"
    search("here", trials=2, storage=storage)
    result = search("there", trials=3, storage=storage)
    assert result.complete == 3
    assert len(list((in_tmp / "here/trials").iterdir())) == 2
    assert len(list((in_tmp / "there/trials").iterdir())) == 1
    assert hub.load(result.best_model.rpartition(":")[2]).predict(["good"]).labels
    assert (result.test is None) == (result.trial < 2)
