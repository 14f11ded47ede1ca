import csv
import io
import json

import pytest

from transferhub.commands import main


def hub(*arguments):
    """Run the command in this process; return its exit code."""
    try:
        main([str(argument) for argument in arguments])
    except SystemExit as stopped:
        return stopped.code or 0
    return 0


@pytest.fixture
def finetune(tiny, review_files, in_tmp):
    def run(*more):
        return hub(
            "finetune",
            "--module",
            tiny,
            "--train",
            review_files["train"],
            "--dev",
            review_files["dev"],
            "--test",
            review_files["test"],
            "--precision",
            "fp32",
            "--num_epoch=6",
            "--batch_size",
            8,
            "--learning_rate",
            "5e-3",
            "--checkpoint_dir",
            "run",
            *more,
        )

    return run


def test_finetune_evaluate_predict(finetune, review_files, in_tmp, capsys, monkeypatch):
    assert finetune("--json") == 0
    result = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert set(result) >= {
        "dev",
        "test",
        "best_step",
        "steps",
        "examples_per_second",
        "wall_seconds",
        "peak_rss_mb",
        "precision",
        "best_model",
        "checkpoint_dir",
    }
    assert set(result["dev"]) == set(result["test"]) == {"acc", "f1", "loss"}
    assert result["steps"] == 48
    assert result["precision"] == "fp32"

    assert hub("evaluate", result["best_model"], review_files["test"], "--json") == 0
    assert json.loads(capsys.readouterr().out) == pytest.approx(result["test"], abs=1e-6)

    assert hub("predict", result["best_model"], review_files["test"], "--output", "out.csv") == 0
    capsys.readouterr()
    rows = list(csv.DictReader(io.StringIO((in_tmp / "out.csv").read_text())))
    assert list(rows[0]) == ["text", "label", "negative", "positive"]
    assert [row["text"] for row in rows] == [
        row["text"] for row in csv.DictReader(io.StringIO(review_files["test"].read_text()))
    ]

    monkeypatch.setattr("sys.stdin", io.StringIO("good food\nawful app\n"))
    assert hub("predict", result["best_model"], "-") == 0
    printed = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert [row["text"] for row in printed] == ["good food", "awful app"]
    assert all(abs(float(row["negative"]) + float(row["positive"]) - 1) < 1e-5 for row in printed)


def test_a_finished_run_prints_its_result_again(finetune, capsys):
    assert finetune("--json") == 0
    first = json.loads(capsys.readouterr().out)
    assert finetune("--json") == 0
    out = capsys.readouterr()
    again = json.loads(out.out)
    assert "is finished" in out.err
    assert {name: again[name] for name in again if name != "wall_seconds"} == {
        name: first[name] for name in first if name != "wall_seconds"
    }
    assert finetune() == 0
    assert "best model  run/best_model" in capsys.readouterr().out


def test_other_settings_are_refused_and_overwrite_starts_anew(finetune, capsys):
    assert finetune() == 0
    assert finetune("--seed", 7) == 2
    assert "seed: 42 there, 7 now" in capsys.readouterr().err
    assert finetune("--seed", 7, "--overwrite") == 0


def test_a_frozen_network_of_random_weights_is_warned_of(finetune, lines):
    for flags, said in ((["--freeze", "--from-scratch"], True), (["--freeze"], False), (["--from-scratch"], False)):
        lines.clear()
        assert finetune("--num-epoch", "1", "--overwrite", *flags) == 0
        assert any("is frozen with random weights" in line and "WARNING" in line for line in lines) is said


def test_from_scratch_is_said_in_the_settings(finetune, capsys):
    assert finetune() == 0
    assert finetune("--from-scratch") == 2
    assert "modules.module: " in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--train", "none.csv"], "there is no file none.csv"),
        (["--module", "minilmm"], "did you mean 'minilm'"),
        (["--task", "text-clasification"], "did you mean 'text-classification'"),
        (["--text-column", "txt"], "no column 'txt'"),
        (["--batch-size", "0"], "batch_size=0"),
        (["--learning-rate", "inf"], "learning_rate=inf"),
        (["--checkpoint-dir", __file__], "cannot be a run's folder"),
        (["--precision", "fp8"], "precision='fp8'"),
        (["--max-seq-len", "1000"], "max_seq_len=1000"),
        (["--class-weight", "balancd"], "did you mean 'balanced'"),
        (["--class-weight", '{"positive": 2'], "expected: JSON"),
        (["--loss", "focl"], "did you mean 'focal'"),
        (["--focal-gamma", "2"], "without the focal loss"),
        (["--metrics", "acc,f2"], "no 'f2'"),
        (["--early-stopping", "0"], "early_stopping=0"),
    ],
)
def test_bad_input_is_one_clear_message_and_exit_code_2(tiny, review_files, in_tmp, capsys, arguments, said):
    given = {"--module": tiny, "--train": review_files["train"], **dict([arguments])}
    assert hub("finetune", *(part for pair in given.items() for part in pair)) == 2
    out = capsys.readouterr()
    assert said in out.err
    assert "Traceback" not in out.err
    assert not list(in_tmp.glob("ckpt_*")), "nothing half-written"


def test_version_and_short_help(capsys):
    assert hub("--version") == hub("version") == hub("-h") == 0
    assert capsys.readouterr().out.count("hub 0.") == 2


def test_debug_shows_where(in_tmp):
    with pytest.raises(Exception, match="there is no file"):
        main(["finetune", "--module", "minilm", "--train", "none.csv", "--debug"])


def test_an_unknown_option_is_exit_code_2():
    assert hub("finetune", "--modul", "minilm") == 2


def test_install_list_show_uninstall(tiny, capsys):
    assert hub("install", "ernie==1.2.0", "--from", tiny) == 0
    assert "stands for module" in capsys.readouterr().out
    assert hub("list") == 0
    listed = capsys.readouterr().out
    assert "ernie  (stands for module)" in listed
    assert "minilm" in listed
    assert "bert-base-cased" not in listed
    assert hub("list", "--all", "--json") == 0
    assert "bert-base-cased" in [row["name"] for row in json.loads(capsys.readouterr().out)]
    assert hub("show", "ernie") == 0
    assert "stands for  module" in capsys.readouterr().out
    assert hub("show", "ernei") == 2
    assert "did you mean 'ernie'" in capsys.readouterr().err
    assert hub("uninstall", "ernie") == 0
    assert hub("uninstall", "ernie") == 2
    assert hub("install", "ernie") == 2
    assert "cannot be fetched" in capsys.readouterr().err


@pytest.mark.parametrize(
    "command", ["finetune", "evaluate", "predict", "install", "uninstall", "list", "show", "pretrain"]
)
def test_every_command_has_help_with_an_example(command, capsys):
    assert hub(command, "--help") == 0
    assert "Example: hub " in capsys.readouterr().out


def test_the_loss_is_chosen_by_options(finetune, in_tmp, capsys):
    weights = '{"positive": 2, "negative": 1}'
    assert finetune("--num_epoch=1", "--loss", "focal", "--focal-gamma", 3, "--class-weight", weights, "--json") == 0
    notes = json.loads(capsys.readouterr().out)["notes"]
    assert notes[0] == "f1 is of the class 'positive'"
    assert "focal loss, gamma 3; class weights negative 1, positive 2" in notes[1]
    assert finetune("--num_epoch=1", "--class-weight", "balanced", "--label-smoothing", 0.1, "--overwrite") == 0
    settings = json.loads((in_tmp / "run" / "run.json").read_text())["settings"]
    assert (settings["class_weight"], settings["label_smoothing"]) == ("balanced", 0.1)
    assert finetune("--num_epoch=1", "--metrics", "balanced_acc, f1_macro", "--overwrite", "--json") == 0
    assert list(json.loads(capsys.readouterr().out.splitlines()[-1])["dev"]) == ["balanced_acc", "f1_macro", "loss"]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (
            ["--strategy", "ulmfit", "--strategy-arg", "dis_blocks=2", "--strategy-arg", "frz_blocks=0"],
            "ULMFiTStrategy",
        ),
        (["--strategy", "l2sp"], "L2SPFinetuneStrategy(learning_rate=0.005"),
        (["--strategy", "lora", "--strategy-arg", "rank=2"], "rank=2"),
        (["--strategy", "combined", "--strategy-arg", 'scheduler={"warmup": 0.1}'], "'warmup': 0.1"),
        (["--strategy", "default", "--strategy-arg", "optimizer_name=sgd"], "optimizer_name='sgd'"),
        (["--strategy-arg", "layerwise-decay=0.9"], "layerwise_decay=0.9"),
    ],
)
def test_a_strategy_is_chosen_by_options(finetune, in_tmp, capsys, options, said):
    assert finetune("--num-epoch", "1", *options) == 0
    record = json.loads((in_tmp / "run" / "run.json").read_text(encoding="utf-8"))
    assert said in record["settings"]["strategy"]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--strategy", "ulmfitt"], "did you mean 'ulmfit'"),
        (["--strategy", "ulmfit", "--strategy-arg", "dis_block=3"], "did you mean 'dis_blocks'"),
        (["--strategy", "ulmfit", "--weight-decay", "0.1"], "--weight-decay: the strategy ulmfit has no argument"),
        (["--strategy-arg", "freeze"], "NAME=VALUE"),
        (["--strategy-arg", "freeze=many"], "freeze='many'"),
    ],
)
def test_a_strategy_that_does_not_exist_is_refused(finetune, capsys, options, said):
    assert finetune(*options) == 2
    assert said in capsys.readouterr().err


def test_a_file_is_not_written_over_itself_and_an_empty_path_is_none(finetune, review_files, capsys):
    assert finetune("--num-epoch", "1") == 0
    before = review_files["dev"].read_bytes()
    assert hub("predict", "run/best_model", review_files["dev"], "--output", review_files["dev"]) == 2
    assert "is the file that is read" in capsys.readouterr().err
    assert review_files["dev"].read_bytes() == before
    assert hub("predict", "run/best_model", "") == 2
    assert hub("evaluate", "run/best_model", " ") == 2


def test_columns_and_encodings_of_other_files_can_be_named(finetune, in_tmp, capsys):
    assert finetune("--num-epoch", "1") == 0
    (in_tmp / "other.csv").write_bytes("Meinung;Urteil\ngood room;positive\nbad fööd;negative\n".encode("cp1252"))
    capsys.readouterr()
    named = ["--text-column", "Meinung", "--encoding", "cp1252"]
    assert hub("evaluate", "run/best_model", "other.csv", "--label-column", "Urteil", "--json", *named) == 0
    assert "acc" in json.loads(capsys.readouterr().out)
    assert hub("predict", "run/best_model", "other.csv", *named) == 0
    assert "bad fööd" in capsys.readouterr().out
    assert hub("finetune", "--module", "nothing", "--train", "other.csv", "--encoding", "none") == 2


@pytest.mark.parametrize(
    ("given", "expected"), [(b"\xef\xbb\xbfgood\r\nbad\r\n", ["good", "bad"]), (b"good", ["good"]), (b"", [])]
)
def test_standard_input_is_read_as_lines_of_utf8(finetune, capsys, monkeypatch, given, expected):
    assert finetune("--num-epoch", "1") == 0
    capsys.readouterr()

    def standard_input(content):
        stream = io.TextIOWrapper(io.BytesIO(content), encoding="utf-8", errors="surrogateescape")
        monkeypatch.setattr("sys.stdin", stream)

    standard_input(given)
    assert hub("predict", "run/best_model", "-") == 0
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert [row["text"] for row in rows] == expected
    monkeypatch.setattr(
        "sys.stdin", io.TextIOWrapper(io.BytesIO(b"good\n\xff\n"), encoding="utf-8", errors="surrogateescape")
    )
    assert hub("predict", "run/best_model", "-") == 2
    assert "not UTF-8 at line 2 (byte 0xff)" in capsys.readouterr().err
