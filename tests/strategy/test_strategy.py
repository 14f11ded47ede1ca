import math

import pytest
from safetensors.torch import load_file

import transferhub as hub
from transferhub.errors import ConfigError
from transferhub.graph import Parameter
from transferhub.strategy import Steps, schedules

# By hand: 20 steps, warm-up over 10 % = 2 steps: t/2, then (20 - t)/18.
LINEAR_20 = {0: 0.0, 1: 0.5, 2: 1.0, 3: 17 / 18, 11: 0.5, 19: 1 / 18, 20: 0.0}


def parameters():
    names = {
        "body.weight": "backbone",
        "body.bias": "backbone",
        "body.LayerNorm.weight": "backbone",
        "head.weight": "head",
    }
    return [Parameter(name, 10, role, int(role == "backbone"), True) for name, role in names.items()]


def test_linear_warm_up_and_decay_hold_the_golden_table():
    rate = schedules.linear(20, 0.1)
    for step, value in LINEAR_20.items():
        assert rate(step) == pytest.approx(value, abs=1e-15)


@pytest.mark.parametrize(("total", "proportion"), [(2, 0.1), (7, 0.0), (10, 0.1), (63, 0.1), (100, 0.33), (189, 0.06)])
def test_linear_is_transformers_own_schedule(total, proportion):
    import torch
    from transformers import get_linear_schedule_with_warmup

    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    theirs = get_linear_schedule_with_warmup(optimizer, math.ceil(total * proportion), total)
    ours = schedules.linear(total, proportion)
    for step in range(total):
        assert ours(step) == pytest.approx(optimizer.param_groups[0]["lr"], abs=1e-12)
        optimizer.step()
        theirs.step()


@pytest.mark.parametrize("schedule", [schedules.constant, schedules.linear, schedules.cosine, schedules.noam])
@pytest.mark.parametrize("proportion", [0.0, 0.1, 1.0])
def test_the_only_step_of_a_run_is_no_warm_up(schedule, proportion):
    assert schedule(1, proportion)(0) == 1.0  # transformers' rate is 0: such a run learns nothing


def test_a_run_of_one_step_moves_the_head(make_task, in_tmp):
    task = make_task(checkpoint_dir="run", num_epoch=1, batch_size=1000, strategy=hub.AdamWeightDecayStrategy())
    before = {name: value.clone() for name, value in task.build_network().state_dict().items()}
    assert task.finetune_and_eval().steps == 1
    after = load_file("run/step_1/model.safetensors")
    moved = [name for name, value in before.items() if not value.equal(after[name])]
    assert any(name.startswith("parts.1.") for name in moved)


def test_the_rate_does_not_jump_where_warm_up_ends():
    rate = schedules.linear(1000, 0.1)
    steepest = max(abs(rate(step + 1) - rate(step)) for step in range(999))
    assert steepest <= 1 / 100 + 1e-12  # 1.x fell from 1 to 0.9 in one step


def test_noam_rises_linearly_and_falls_with_the_square_root():
    rate = schedules.noam(100, 0.1)
    assert rate(4) == pytest.approx(0.5)
    assert rate(9) == pytest.approx(1.0)
    assert rate(39) == pytest.approx(math.sqrt(10 / 40))
    assert schedules.noam(100, 0.0)(50) == 1.0


def test_adam_weight_decay_spares_biases_and_norms_and_clips():
    plan = hub.AdamWeightDecayStrategy(learning_rate=1e-3, weight_decay=0.02).plan(parameters(), Steps(20, 10))
    decays = {name: group.weight_decay for group in plan.groups for name in group.parameters}
    assert decays == {"body.weight": 0.02, "head.weight": 0.02, "body.bias": 0.0, "body.LayerNorm.weight": 0.0}
    assert plan.clip_norm == 1.0
    assert plan.optimizer == "adamw"
    assert plan.groups[0].rate(1) == pytest.approx(5e-4)


def test_default_finetune_adds_l2_to_every_gradient():
    plan = hub.DefaultFinetuneStrategy(learning_rate=1e-3, regularization_coeff=0.1, optimizer_name="SGD").plan(
        parameters(), Steps(5, 5)
    )
    assert [(group.l2, group.rate(4)) for group in plan.groups] == [(0.1, 1e-3)]
    assert plan.optimizer == "sgd"


def test_a_plan_prints_what_moves_and_how_fast():
    printed = str(hub.AdamWeightDecayStrategy().plan(parameters(), Steps(20, 10)))
    assert "adamw, 20 steps, gradients clipped at norm 1" in printed
    assert any(line.split()[:2] == ["weights", "2"] for line in printed.splitlines())


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: hub.AdamWeightDecayStrategy(learning_rate=0), "learning_rate=0"),
        (lambda: hub.AdamWeightDecayStrategy(learning_rate=float("nan")), "learning_rate=nan"),
        (lambda: hub.AdamWeightDecayStrategy(warmup_proportion=1.5), "warmup_proportion=1.5"),
        (lambda: hub.AdamWeightDecayStrategy(lr_scheduler="cosin"), "did you mean 'cosine'"),
        (lambda: hub.AdamWeightDecayStrategy(weight_decay=-1), "weight_decay=-1"),
        (lambda: hub.DefaultStrategy(optimizer_name="adamm"), "did you mean 'adam'"),
    ],
)
def test_arguments_out_of_range_are_refused(make, said):
    with pytest.raises(ConfigError, match=said):
        make()
