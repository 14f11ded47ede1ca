"""The flags of run_glue, of transformers 4 and 5: a command line, or one JSON file of them → `Arguments`.

Each flag has one of three fates: it is followed; it is accepted, and said to have no effect, because what it asks for
is so anyway or has no meaning here; or it may only have the values that mean what is done here, and others are refused.
"""

import dataclasses
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, get_args

from transferhub.errors import ConfigError, did_you_mean
from transferhub.log import logger


def _flag(default: Any, about: str) -> Any:
    return dataclasses.field(default=default, metadata={"about": about})


@dataclasses.dataclass(frozen=True)
class Arguments:
    """What is followed, with run_glue's defaults."""

    model_name_or_path: str = _flag("", "a name of `hub list --all`, a folder (fine-tuned ones too), OWNER/NAME")
    task_name: str | None = _flag(None, "cola mnli mrpc qnli qqp rte sst2 stsb wnli")
    data_dir: str | None = _flag(None, "the folder that has MRPC/, SST-2/ …, or that folder itself; else $DATA_DIR")
    train_file: str | None = _flag(None, "csv, tsv or json with a column of labels, in place of --task_name")
    validation_file: str | None = _flag(None, "of the same kind as the training file")
    test_file: str | None = _flag(None, "of the same kind; labels are not looked at")
    output_dir: str = _flag("", "where everything goes")
    overwrite_output_dir: bool = _flag(False, "replace what an earlier run wrote there")
    do_train: bool = _flag(False, "fine-tune")
    do_eval: bool = _flag(False, "score the model on the validation rows")
    do_predict: bool = _flag(False, "label the test rows")
    max_seq_length: int = _flag(128, "tokens a text or a pair may have; longer ones are cut")
    max_train_samples: int | None = _flag(None, "only the first so many rows")
    max_eval_samples: int | None = _flag(None, "likewise")
    max_predict_samples: int | None = _flag(None, "likewise")
    per_device_train_batch_size: int = _flag(8, "rows for each step")
    per_device_eval_batch_size: int = _flag(8, "rows scored together")
    gradient_accumulation_steps: int = _flag(1, "so many times more rows for each step")
    learning_rate: float = _flag(5e-5, "the peak rate")
    weight_decay: float = _flag(0.0, "of AdamW; not of biases and normalisation")
    num_train_epochs: float = _flag(3.0, "how often each row is seen")
    max_steps: int = _flag(-1, "steps in place of epochs, where above 0")
    lr_scheduler_type: str = _flag("linear", "linear, cosine, constant or constant_with_warmup")
    warmup_ratio: float = _flag(0.0, "the part of all steps in which the rate rises")
    warmup_steps: float = _flag(0, "so many steps; below 1: a part of all")
    seed: int = _flag(42, "everything random is a function of it")
    logging_steps: int = _flag(500, "steps between two lines of the log")
    save_strategy: str = _flag("steps", "steps, epoch or no: when a checkpoint-N is written")
    save_steps: int = _flag(500, "steps between two checkpoint-N; the last step has one too")
    save_total_limit: int | None = _flag(None, "so many checkpoint-N are kept")
    eval_strategy: str = _flag("no", "steps, epoch or no: when the validation rows are scored during training")
    eval_steps: int | None = _flag(None, "steps between; default: as --logging_steps")
    load_best_model_at_end: bool = _flag(False, "keep the best of these, in place of the last weights")
    metric_for_best_model: str | None = _flag(None, "which score says what is best; default: the task's first")
    ignore_mismatched_sizes: bool = _flag(False, "a new head where the model's has another number of labels")
    use_cpu: bool = _flag(False, "though there is a GPU")
    bf16: bool = _flag(False, "compute gradients in bf16")
    fp16: bool = _flag(False, "bf16 where that is faster; fp16 itself is not used")


REQUIRED = ("model_name_or_path", "output_dir")
ALIASES = {
    "evaluation_strategy": "eval_strategy",
    "no_cuda": "use_cpu",
    "per_gpu_train_batch_size": "per_device_train_batch_size",
    "per_gpu_eval_batch_size": "per_device_eval_batch_size",
    "max_val_samples": "max_eval_samples",
    "max_test_samples": "max_predict_samples",
}
_ANYWAY = "it is so anyway"
_ALWAYS = "TensorBoard's files lie in run/visualization, the page in run/report.html"
NO_EFFECT = {
    "pad_to_max_length": "batches are padded to about their longest row, which changes no result",
    "cache_dir": "modules lie in $TRANSFERHUB_HOME",
    "overwrite_cache": "what is kept of rows is known by its content",
    "use_fast_tokenizer": _ANYWAY,
    "do_lower_case": "the model's tokenizer knows",
    "low_cpu_mem_usage": _ANYWAY,
    "report_to": _ALWAYS,
    "logging_dir": _ALWAYS,
    "run_name": _ALWAYS,
    "logging_first_step": _ALWAYS,
    "logging_strategy": _ALWAYS,
    "log_level": "all is said",
    "log_level_replica": "all is said",
    "disable_tqdm": "a bar is drawn on a terminal only",
    "save_safetensors": "model.safetensors is written, and pytorch_model.bin beside it",
    "save_only_model": "what a run goes on from lies in run/",
    "resume_from_checkpoint": "the same command goes on by itself, from run/",
    "data_seed": "rows are drawn by --seed",
    "full_determinism": _ANYWAY,
    "group_by_length": _ANYWAY,
    "length_column_name": _ANYWAY,
    "train_sampling_strategy": "rows of similar length are put together",
    "dataloader_num_workers": "rows are read before the training",
    "dataloader_pin_memory": "rows are read before the training",
    "dataloader_persistent_workers": "rows are read before the training",
    "preprocessing_num_workers": "rows are read before the training",
    "remove_unused_columns": _ANYWAY,
    "eval_accumulation_steps": "scores are counted batch by batch",
    "fp16_full_eval": "scores are computed in fp32",
    "bf16_full_eval": "scores are computed in fp32",
    "fp16_opt_level": "fp16 itself is not used",
    "fp16_backend": "fp16 itself is not used",
    "half_precision_backend": "fp16 itself is not used",
    "tf32": "fp32 is fp32",
    "gradient_checkpointing": "a step that memory cannot hold is cut in parts",
    "auto_find_batch_size": "a step that memory cannot hold is cut in parts",
    "torch_compile": "not compiled",
    "skip_memory_metrics": "the most memory stands in run/run.json",
    "past_index": "no such models here",
    "prediction_loss_only": "scores are wanted",
    "greater_is_better": "known of each score",
    "ddp_find_unused_parameters": "one device is used",
    "local_rank": "one device is used",
    "model_revision": "a module has one revision, which `hub show` says",
}
# Flags that may only have these values.
ONLY: Mapping[str, tuple[tuple[str, ...], str]] = {
    "adam_beta1": (("0.9",), "AdamW's betas are 0.9 and 0.999"),
    "adam_beta2": (("0.999",), "AdamW's betas are 0.9 and 0.999"),
    "adam_epsilon": (("1e-08", "1e-8"), "AdamW's epsilon is 1e-8"),
    "max_grad_norm": (("1.0", "1"), "gradients are clipped at norm 1"),
    "optim": (("adamw_torch", "adamw_torch_fused", "adamw_hf"), "other optimisers: hub finetune --strategy-arg"),
    "label_smoothing_factor": (("0.0", "0"), "hub finetune --label-smoothing"),
    "dataloader_drop_last": (("false",), "every row is trained on"),
    "push_to_hub": (("false",), "nothing is uploaded"),
    "trust_remote_code": (("false",), "code that comes with a model is never run"),
    "use_auth_token": (("false",), "`hub install` fetches, and reads HF_TOKEN itself"),
    "deepspeed": (("none",), "one device is used"),
    "fsdp": (("none",), "one device is used"),
    "dataset_name": (("none",), "save it to csv or json files: --train_file, --validation_file"),
    "dataset_config_name": (("none",), "save it to csv or json files: --train_file, --validation_file"),
}
SAME_AS_MODEL = ("config_name", "tokenizer_name")
_NAMES = {field.name: field for field in dataclasses.fields(Arguments)}
_ALL = (*_NAMES, *ALIASES, *NO_EFFECT, *ONLY, *SAME_AS_MODEL)
_BARE = ("false", "true")


def parse(arguments: Sequence[str]) -> Arguments:
    """The flags of a command line; dashes in names do as well as underscores.

    Args:
        arguments: ``--name value``, ``--name=value``, ``--name`` and ``--no_name`` for yes and no; or one JSON file.

    Raises:
        ConfigError: Flags that do not exist or have no such value: all of them in one message.
    """
    if len(arguments) == 1 and arguments[0].endswith(".json"):
        given = _from_file(Path(arguments[0]))
    else:
        given = _from_line(arguments)
    faults: list[str] = []
    followed: dict[str, Any] = {}
    for name, value in given.items():
        target = ALIASES.get(name, name)
        if target in _NAMES:
            try:
                followed[target] = _value(target, value)
            except ValueError as error:
                faults.append(f"--{name} {value}: {error}")
        elif name not in SAME_AS_MODEL and name not in NO_EFFECT and name not in ONLY:
            faults.append(f"there is no --{name}; {did_you_mean(name, _ALL)}".rstrip("; "))
        elif name in ONLY and str(value).lower() not in ONLY[name][0]:
            faults.append(f"--{name} {value}: expected {ONLY[name][0][0]}; {ONLY[name][1]}")
    model = followed.get("model_name_or_path")
    faults += [
        f"--{name} {given[name]}: a model is opened with its own configuration and tokenizer"
        for name in SAME_AS_MODEL
        if given.get(name) not in (None, model)
    ]
    faults += [f"--{name} is missing" for name in REQUIRED if not str(followed.get(name, "")).strip()]
    if faults:
        raise ConfigError("\n  ".join(["run_glue's flags:", *faults]), fix="`hub glue --help` lists them")
    for name in given:
        if name in NO_EFFECT:
            logger.info("--%s is accepted and has no effect: %s", name, NO_EFFECT[name])
    return Arguments(**followed)


def usage() -> str:
    """What ``--help`` prints."""
    rows = [
        f"  --{name:30} {field.metadata['about']}" + (f" ({field.default})" if field.default else "")
        for name, field in _NAMES.items()
    ]
    accepted = ", ".join([*ALIASES, *NO_EFFECT, *ONLY, *SAME_AS_MODEL])
    return "\n".join(
        [
            "hub glue (= python -m transferhub.run_glue): run_glue of transformers over TransferHub's engine.",
            "",
            "Example: hub glue --model_name_or_path minilm --task_name mrpc --data_dir glue_data --do_train --do_eval "
            "--output_dir mrpc",
            "",
            *rows,
            "",
            f"Accepted too: {accepted}.",
            "One JSON file of flags does as well: hub glue flags.json",
        ]
    )


def _from_file(path: Path) -> dict[str, Any]:
    try:
        flags = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path} cannot be read: {error}", expected="a JSON object of flags") from None
    if not isinstance(flags, dict):
        raise ConfigError(f"{path} holds {type(flags).__name__}", expected="a JSON object of flags")
    return {_name(name): "none" if value is None else value for name, value in flags.items()}


def _from_line(arguments: Sequence[str]) -> dict[str, Any]:
    given: dict[str, Any] = {}
    place = 0
    while place < len(arguments):
        word = arguments[place]
        place += 1
        if not word.startswith("--"):
            raise ConfigError(f"{word!r} stands where a flag was expected", expected="--name value, or one JSON file")
        name, equals, value = word.partition("=")
        name = _name(name)
        if name.startswith("no_") and name not in ALIASES and (_is_bool(name[3:]) or name[3:] in NO_EFFECT):
            name, equals, value = name[3:], "=", "false"
        values = [value] if equals else []
        if not equals:
            while place < len(arguments) and not arguments[place].startswith("--"):
                if values and name not in NO_EFFECT:  # report_to has several
                    break
                if _is_bool(name) and arguments[place].lower() not in (*_BARE, "0", "1", "yes", "no"):
                    break
                values.append(arguments[place])
                place += 1
        given[name] = " ".join(values) if values else "true"
    return given


def _name(given: str) -> str:
    return given.lstrip("-").replace("-", "_")


def _is_bool(name: str) -> bool:
    target = ALIASES.get(name, name)
    return _NAMES[target].type is bool if target in _NAMES else ONLY.get(name, ("",))[0] == ("false",)


def _value(name: str, given: Any) -> Any:
    """The value of a flag that is followed.

    Raises:
        ValueError: It is none of its kind.
    """
    kinds = get_args(_NAMES[name].type) or (_NAMES[name].type,)
    text = str(given).strip()
    if type(None) in kinds and text.lower() in ("none", ""):
        return None
    if bool in kinds:
        if text.lower() not in (*_BARE, "0", "1", "yes", "no"):
            raise ValueError("expected true or false")
        return text.lower() in ("true", "1", "yes")
    if str in kinds:
        return text
    number = _number(text, float in kinds)
    least = {"max_steps": -1, "seed": 0, "weight_decay": 0, "warmup_ratio": 0, "warmup_steps": 0}.get(name)
    if number < (1 if least is None and int in kinds else least or 0) or (least is None and number == 0):
        raise ValueError("expected " + ("more than 0" if least is None else f"at least {least}"))
    return number


def _number(text: str, fraction: bool) -> float:
    try:
        number = float(text)
    except ValueError:
        raise ValueError("expected a number") from None
    if number - number != 0 or (not fraction and number % 1):
        raise ValueError("expected a finite number" if fraction else "expected a whole number")
    return number if fraction else int(number)
