"""What every strategy must hold. A new strategy is a row here."""

import pytest
import torch

import transferhub as hub
from transferhub import atomic

STRATEGIES = {
    "default": lambda: hub.DefaultStrategy(learning_rate=2e-3),
    "default sgd": lambda: hub.DefaultStrategy(learning_rate=0.1, optimizer_name="momentum"),
    "finetune": lambda: hub.DefaultFinetuneStrategy(learning_rate=2e-3),
    "finetune adagrad": lambda: hub.DefaultFinetuneStrategy(learning_rate=1e-2, optimizer_name="adagrad"),
    "finetune rmsprop": lambda: hub.DefaultFinetuneStrategy(learning_rate=1e-3, optimizer_name="rmsprop"),
    "finetune adamax": lambda: hub.DefaultFinetuneStrategy(learning_rate=1e-2, optimizer_name="adamax"),
    "adamw": lambda: hub.AdamWeightDecayStrategy(learning_rate=5e-3),
    "adamw noam": lambda: hub.AdamWeightDecayStrategy(learning_rate=5e-3, lr_scheduler="noam_decay"),
    "adamw sgd": lambda: hub.AdamWeightDecayStrategy(learning_rate=0.5, optimizer_name="sgd"),
}


@pytest.fixture(params=STRATEGIES)
def strategy(request):
    return STRATEGIES[request.param]()


def test_a_plan_is_complete_disjoint_and_printable(strategy, make_task):
    task = make_task(strategy=strategy)
    plan, names = task.plan(), [name for name, _ in task.build_network().named_parameters()]
    planned = [name for group in plan.groups for name in group.parameters] + list(plan.frozen)
    assert sorted(planned) == sorted(names)
    assert str(plan) == str(task.plan()), "printing changes nothing"
    for group in plan.groups:
        assert all(0 <= group.rate(step) <= group.peak * (1 + 1e-12) for step in range(plan.total_steps))


def test_the_loss_falls_and_a_stopped_run_ends_with_the_same_bits(strategy, make_task, in_tmp):
    losses = []
    quiet = make_task(strategy=strategy, checkpoint_dir="quiet", num_epoch=8)
    quiet.add_hook("log_interval", "losses", lambda task, states: losses.append(states[0].run_loss))
    quiet.finetune_and_eval()
    # Plain SGD leaves the plateau of a randomly initialised transformer too slowly to be seen here.
    assert losses[-1] < losses[0] or strategy.optimizer_name in ("sgd", "momentum")

    class Crash(BaseException):
        pass

    def crash(task, states):
        if task.current_step == 13:
            raise Crash

    task = make_task(strategy=strategy, checkpoint_dir="stopped", num_epoch=8, save_ckpt_interval=5)
    task.add_hook("run_step", "crash", crash)
    with pytest.raises(Crash):
        task.finetune_and_eval()
    make_task(strategy=strategy, checkpoint_dir="stopped", num_epoch=8, save_ckpt_interval=5).finetune_and_eval()
    for name in ("model.safetensors", "optimizer.safetensors"):
        assert atomic.sha256(in_tmp / "quiet" / "step_64" / name) == atomic.sha256(
            in_tmp / "stopped" / "step_64" / name
        )


def test_weights_really_move(strategy, make_task, in_tmp):
    task = make_task(strategy=strategy, checkpoint_dir="run", num_epoch=1)
    before = {name: value.clone() for name, value in task.build_network().state_dict().items()}
    task.finetune_and_eval()
    after = task.best_network().state_dict()
    assert not torch.equal(before["parts.1.model.classifier.weight"], after["parts.1.model.classifier.weight"])
