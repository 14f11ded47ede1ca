import dataclasses
import json

import pytest
from transformers import TrainingArguments

from transferhub.errors import ConfigError
from transferhub.glue.arguments import ALIASES, NO_EFFECT, ONLY, Arguments, parse, usage

NEEDED = ["--model_name_or_path", "m", "--output_dir", "o"]


def test_flags_are_read_as_run_glue_reads_them():
    read = parse([*NEEDED, "--do_train", "--learning-rate=2e-5", "--do_eval", "False", "--num_train_epochs", "1.0"])
    assert (read.do_train, read.do_eval, read.learning_rate, read.num_train_epochs) == (True, False, 2e-5, 1.0)
    assert parse([*NEEDED, "--do_train", "--no_do_train"]).do_train is False
    assert parse([*NEEDED, "--max_steps", "-1"]).max_steps == -1
    assert parse([*NEEDED, "--evaluation_strategy", "epoch", "--no_cuda"]).eval_strategy == "epoch"
    assert parse([*NEEDED, "--no_cuda"]).use_cpu is True


def test_a_json_file_of_flags_is_the_command_line(tmp_path):
    flags = {"model_name_or_path": "m", "output_dir": "o", "do_train": True, "max_train_samples": 7, "seed": 3}
    (tmp_path / "flags.json").write_text(json.dumps({**flags, "train_file": None, "report_to": []}))
    line = [*NEEDED, "--do_train", "--max_train_samples", "7", "--seed", "3"]
    assert parse([str(tmp_path / "flags.json")]) == parse(line)
    (tmp_path / "list.json").write_text("[]")
    with pytest.raises(ConfigError, match="holds list"):
        parse([str(tmp_path / "list.json")])
    with pytest.raises(ConfigError, match="cannot be read"):
        parse([str(tmp_path / "absent.json")])


def test_defaults_are_the_trainers():
    theirs = {field.name: field for field in dataclasses.fields(TrainingArguments)}
    for field in dataclasses.fields(Arguments):
        if field.name in theirs and field.name not in ("output_dir", "seed"):
            default = getattr(theirs[field.name].default, "value", theirs[field.name].default)
            assert field.default == default or not (field.default or default), field.name
    assert parse(NEEDED).seed == theirs["seed"].default == 42
    for name, (allowed, _) in ONLY.items():
        if name in theirs:
            default = theirs[name].default
            said = str(getattr(default, "value", default)).lower()
            assert said in {*allowed, *map(str.lower, allowed)} or not default, name


def test_flags_without_effect_are_said_and_leave_nothing_behind(lines):
    more = ["--report_to", "none", "tensorboard", "--pad_to_max_length", "False", "--overwrite_cache", "--no_tf32"]
    assert parse([*NEEDED, *more, "--do_train"]) == parse([*NEEDED, "--do_train"])
    for name in ("report_to", "pad_to_max_length", "overwrite_cache", "tf32"):
        assert any(f"--{name} is accepted and has no effect: {NO_EFFECT[name]}" in line for line in lines)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["--task_nam", "mrpc"], "there is no --task_nam; did you mean 'task_name'?"),
        (["--learning_rate", "fast"], "--learning_rate fast: expected a number"),
        (["--learning_rate", "nan"], "--learning_rate nan: expected a finite number"),
        (["--num_train_epochs", "0"], "--num_train_epochs 0: expected more than 0"),
        (["--seed", "1.5"], "--seed 1.5: expected a whole number"),
        (["--per_device_train_batch_size", "0"], "expected more than 0"),
        (["--do_train=perhaps"], "--do_train perhaps: expected true or false"),
        (["--adam_epsilon", "1e-6"], "--adam_epsilon 1e-6: expected 1e-08"),
        (["--push_to_hub"], "--push_to_hub true: expected false; nothing is uploaded"),
        (["--trust_remote_code", "True"], "never run"),
        (["--dataset_name", "imdb"], "--train_file"),
        (["--tokenizer_name", "other"], "its own configuration and tokenizer"),
        (["stray"], "'stray' stands where a flag was expected"),
    ],
)
def test_what_cannot_be_followed_is_refused(given, said):
    with pytest.raises(ConfigError) as refused:
        parse([*NEEDED, *given])
    assert said in str(refused.value)


def test_all_faults_are_said_at_once():
    with pytest.raises(ConfigError) as refused:
        parse(["--lr", "1", "--seed", "-1"])
    for said in ("there is no --lr", "--seed -1", "--model_name_or_path is missing", "--output_dir is missing"):
        assert said in str(refused.value)
    assert parse([*NEEDED, "--tokenizer_name", "m"]) == parse(NEEDED)


def test_help_names_every_flag():
    for name in (*(field.name for field in dataclasses.fields(Arguments)), *ALIASES, *NO_EFFECT, *ONLY):
        assert name in usage()
