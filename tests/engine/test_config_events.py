import pytest
import torch

from transferhub.engine.config import RunConfig
from transferhub.engine.events import EVENTS, Events
from transferhub.errors import ConfigError
from transferhub.strategy import DefaultStrategy


def test_defaults_are_paddlehubs():
    config = RunConfig()
    values = (config.log_interval, config.eval_interval, config.save_ckpt_interval, config.num_epoch, config.batch_size)
    assert values == (10, 100, None, 1, 32)
    assert isinstance(config.strategy, DefaultStrategy)


def test_all_faults_are_said_at_once():
    with pytest.raises(ConfigError, match=r"num_epoch=0.*batch_size='8'.*seed=1\.5.*precision='fp64'.*strategy=1"):
        RunConfig(num_epoch=0, batch_size="8", seed=1.5, precision="fp64", strategy=1)


def test_use_cuda_without_a_gpu_warns_once_and_goes_on(monkeypatch, lines):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    config = RunConfig(use_cuda=True)
    assert config.device == "cpu"
    assert [line for line in lines if "WARNING" in line] == [
        "[ WARNING] - use_cuda=True, but no GPU is available: the CPU is used"
    ]
    assert RunConfig().device == "cpu"
    assert len(lines) == 1


def test_hooks_are_called_in_order_with_the_owner():
    events, called = Events("task"), []
    events.add("log_interval_event", "one", lambda task, states: called.append((task, states)))
    events.add("log_interval", "two", lambda task, states: called.append("two"))
    events.fire("log_interval", [1])
    assert called == [("task", [1]), "two"]
    events.modify("log_interval_event", "one", lambda task, states: called.append("new"))
    events.delete("log_interval", "two")
    events.fire("log_interval", [1])
    assert called[2:] == ["new"]
    assert list(events.info()["log_interval"]) == ["one"]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda events: events.add("log_intervall", "x", print), "did you mean 'log_interval'"),
        (lambda events: events.add("finetune_start", "x", lambda: None), "does not take 1 argument"),
        (lambda events: events.delete("finetune_start", "x"), "no hook 'x'"),
        (lambda events: events.modify("finetune_start", "x", print), "no hook 'x'"),
        (lambda events: [events.add("run_step", "x", print), events.add("run_step", "x", print)], "already"),
    ],
)
def test_wrong_hooks_are_refused(change, said):
    with pytest.raises(ConfigError, match=said):
        change(Events(None))


def test_paddlehubs_events_are_all_there():
    assert set(EVENTS) >= {
        "build_env_start",
        "build_env_end",
        "finetune_start",
        "finetune_end",
        "predict_start",
        "predict_end",
        "eval_start",
        "eval_end",
        "log_interval",
        "save_ckpt_interval",
        "eval_interval",
        "run_step",
    }


def test_the_number_of_steps_is_a_setting_only_where_it_is_given():
    assert "max_steps" not in RunConfig().settings()
    assert RunConfig(max_steps=5).settings()["max_steps"] == 5
    with pytest.raises(ConfigError, match="max_steps=0"):
        RunConfig(max_steps=0)
