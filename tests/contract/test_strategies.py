"""What every strategy must hold. A new strategy is a row here."""

import pytest
import torch

import transferhub as hub
from transferhub import atomic
from transferhub.errors import ConfigError
from transferhub.strategy import Group, Plan, Strategy

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


class HeadOnly(Strategy):
    """Freezes the encoder by its Plan."""

    optimizer_name = "none but the head's"

    def plan(self, parameters, total_steps):
        head = [p for p in parameters if p.role == "head"]
        names = tuple(p.name for p in head)
        group = Group("head", names, sum(p.size for p in head), (0, 0), lambda step: 0.01, 0.01, 0.0)
        return Plan("HeadOnly", "adamw", (group,), tuple(p.name for p in parameters if p.role != "head"), total_steps)


STRATEGIES["frozen by the plan"] = HeadOnly


def test_what_a_plan_freezes_is_in_eval_mode_and_bit_equal_at_the_end(make_task, in_tmp):
    task, modes = make_task(strategy=HeadOnly(), checkpoint_dir="run"), []
    before = {name: value.clone() for name, value in task.build_network().state_dict().items()}
    task.add_hook(
        "run_step", "modes", lambda task, states: modes.append([m.training for m in task.training.network.parts])
    )
    task.finetune_and_eval()
    assert modes == [[False, True]] * 16
    after = task.best_network().state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before if ".classifier." not in name)


def test_a_plan_that_forgets_a_parameter_is_refused(make_task, in_tmp):
    class Forgetful(HeadOnly):
        def plan(self, parameters, total_steps):
            return super().plan(parameters[1:], total_steps)

    with pytest.raises(ConfigError, match="not complete and disjoint"):
        make_task(strategy=Forgetful(), checkpoint_dir="run").finetune_and_eval()


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
    # A random encoder says too little to a head alone, and plain SGD leaves its plateau too slowly to be seen here.
    assert losses[-1] < losses[0] or strategy.optimizer_name in ("none but the head's", "sgd", "momentum")

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
