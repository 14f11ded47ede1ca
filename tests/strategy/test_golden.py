"""Schedules and groupings against tables computed by hand from the papers' equations."""

import inspect

import pytest
import torch

import transferhub as hub
from transferhub.errors import ConfigError
from transferhub.graph import Parameter
from transferhub.strategy import STRATEGIES, Steps, schedules
from transferhub.strategy.lars import LarsMomentum
from transferhub.strategy.optimizers import OPTIMIZERS, Pulls

# Howard and Ruder 2018, eq. 3, T = 10, cut_frac = 0.2, ratio = 32: cut = 2;
# p = 0, 1/2, then 1 - (t - 2) / 8; rate = (1 + 31 p) / 32.
TRIANGLE = {0: 1 / 32, 1: 16.5 / 32, 2: 1.0, 4: 24.25 / 32, 6: 16.5 / 32, 9: 4.875 / 32}
# cut_frac * T = 0.5 < 1: no rise; p = 1 - t / 5.
SHORT_TRIANGLE = {0: 1.0, 1: 25.8 / 32, 4: 7.2 / 32}
# T = 8, warm-up over a quarter: t / 2, then (1 + cos(pi (t - 2) / 6)) / 2.
COSINE = {0: 0.0, 1: 0.5, 2: 1.0, 4: 0.75, 5: 0.5, 6: 0.25, 8: 0.0}
# T = 10, warm-up 0.2, fall from step 5 to 0.1: (1 - 0.1) (10 - t) / 5 + 0.1.
LATE_FALL = {0: 0.0, 1: 0.5, 2: 1.0, 4: 1.0, 5: 1.0, 6: 0.82, 8: 0.46, 10: 0.1}


@pytest.mark.parametrize(
    ("schedule", "table"),
    [
        (schedules.slanted_triangle(10, 0.2, 32), TRIANGLE),
        (schedules.slanted_triangle(5, 0.1, 32), SHORT_TRIANGLE),
        (schedules.cosine(8, 0.25), COSINE),
        (schedules.linear(10, 0.2, 0.5, 0.1), LATE_FALL),
        (schedules.constant(10, 0.2), {0: 0.0, 1: 0.5, 2: 1.0, 9: 1.0}),
        # Vaswani et al. 2017, eq. 3, warm-up 2 of 8: min(t / 2, sqrt(2 / t)), t from 1.
        (schedules.noam(8, 0.25), {0: 0.5, 1: 1.0, 7: 0.5}),
    ],
    ids=["triangle", "short triangle", "cosine", "late fall", "constant", "noam"],
)
def test_schedules_hold_the_tables(schedule, table):
    for step, value in table.items():
        assert schedule(step) == pytest.approx(value, abs=1e-12), step


@pytest.mark.parametrize("total", [1, 2, 3, 7, 9, 10, 100])
@pytest.mark.parametrize("cut", [0.01, 0.1, 0.5, 0.99, 1.0])
def test_the_triangle_never_divides_by_zero_and_stays_between_its_rates(total, cut):
    rates = [schedules.slanted_triangle(total, cut, 32)(step) for step in range(total)]
    assert all(1 / 32 - 1e-12 <= rate <= 1 for rate in rates)
    assert max(rates) > 0.5 or total == 1 or cut == 1.0


def deep(depths=range(6), trainable=True):
    """A parameter a depth: the head at 0, five pretrained below it."""
    return [
        Parameter(f"layer{depth}.weight", 10, "backbone" if depth else "head", depth, trainable) for depth in depths
    ]


def table(strategy, parameters=None, steps=Steps(30, 10)):  # noqa: B008  a frozen value
    plan = strategy.plan(parameters or deep(), steps)
    return {
        int(name.split(".")[0].removeprefix("layer")): (group.peak, group.starts)
        for group in plan.groups
        for name in group.parameters
    }


@pytest.mark.parametrize(
    ("blocks", "expected"),
    [
        # 6 depths in blocks of ceil(6 / blocks): the first one is no larger than the others (1.x gave it one more).
        (3, {0: 0, 1: 0, 2: 1, 3: 1, 4: 2, 5: 2}),
        (2, {0: 0, 1: 0, 2: 0, 3: 1, 4: 1, 5: 1}),
        (4, {0: 0, 1: 0, 2: 1, 3: 1, 4: 2, 5: 2}),
        (6, {0: 0, 1: 1, 2: 2, 3: 3, 4: 4, 5: 5}),
        (9, {0: 0, 1: 1, 2: 2, 3: 3, 4: 4, 5: 5}),
        (1, dict.fromkeys(range(6), 0)),
        (0, dict.fromkeys(range(6), 0)),
    ],
)
def test_discriminative_rates_by_blocks(blocks, expected):
    strategy = hub.ULMFiTStrategy(learning_rate=1e-2, cut_fraction=0, dis_blocks=blocks, factor=2.0, frz_blocks=0)
    peaks = {depth: peak for depth, (peak, _) in table(strategy).items()}
    assert peaks == {depth: pytest.approx(1e-2 / 2**k) for depth, k in expected.items()}


@pytest.mark.parametrize(
    ("blocks", "expected"),
    [
        # At epoch e (from 1) the first 6 e // blocks depths move; ten steps an epoch.
        (3, {0: 0, 1: 0, 2: 10, 3: 10, 4: 20, 5: 20}),
        (2, {0: 0, 1: 0, 2: 0, 3: 10, 4: 10, 5: 10}),
        (6, {0: 0, 1: 10, 2: 20}),  # three epochs: the rest never moves
        (40, {0: 0, 1: 10, 2: 20}),  # more blocks than depths: the head still moves from the start
        (1, dict.fromkeys(range(6), 0)),
        (0, dict.fromkeys(range(6), 0)),
    ],
)
def test_gradual_unfreezing_by_blocks(blocks, expected):
    strategy = hub.ULMFiTStrategy(cut_fraction=0, dis_blocks=0, frz_blocks=blocks)
    assert {depth: start for depth, (_, start) in table(strategy).items()} == expected
    plan = strategy.plan(deep(), Steps(30, 10))
    assert sorted(plan.frozen) == [f"layer{depth}.weight" for depth in range(6) if depth not in expected]


def test_layers_by_name_take_the_place_of_blocks():
    layers = {f"layer{depth}.weight": 5 - depth for depth in range(1, 6)}  # as get_params_layer gives: 0 is the lowest
    strategy = hub.ULMFiTStrategy(
        learning_rate=1.0, cut_fraction=0, factor=2.0, dis_params_layer=layers, frz_params_layer=layers
    )
    expected = {0: (1.0, 0), 1: (1.0, 0), 2: (0.5, 10), 3: (0.25, 20)}
    assert table(strategy) == {depth: (pytest.approx(peak), start) for depth, (peak, start) in expected.items()}


def test_depth_does_not_depend_on_names():
    renamed = [Parameter(f"z{9 - p.depth}.{p.name}", p.size, p.role, p.depth, True) for p in deep()]
    strategy = hub.ULMFiTStrategy()
    ours, theirs = (strategy.plan(parameters, Steps(30, 10)) for parameters in (deep(), renamed))
    assert [(g.depths, g.peak, g.starts) for g in ours.groups] == [(g.depths, g.peak, g.starts) for g in theirs.groups]


def test_combined_settings_are_their_single_strategies():
    steps = Steps(30, 10)
    combined = hub.CombinedStrategy(
        learning_rate=1e-3,
        scheduler={
            "slanted_triangle": {"cut_fraction": 0.1, "ratio": 32},
            "discriminative": {"blocks": 3, "factor": 2.6},
            "gradual_unfreeze": 3,
        },
    ).plan(deep(), steps)
    ulmfit = hub.ULMFiTStrategy(learning_rate=1e-3).plan(deep(), steps)
    assert [(g.parameters, g.peak, g.starts, g.rate(3)) for g in combined.groups] == [
        (g.parameters, g.peak, g.starts, g.rate(3)) for g in ulmfit.groups
    ]
    combined = hub.CombinedStrategy(
        "adam", 1e-3, {"warmup": 0.1, "linear_decay": {"start_point": 0.1}}, {"weight_decay": 0.01}, {"GlobalNorm": 1.0}
    ).plan(deep(), steps)
    adamw = hub.AdamWeightDecayStrategy(learning_rate=1e-3).plan(deep(), steps)
    assert combined.clip_norm == adamw.clip_norm == 1.0
    assert [[g.rate(t) for t in range(30)] for g in combined.groups] == [
        pytest.approx([g.rate(t) for t in range(30)]) for g in adamw.groups
    ]


def test_combined_is_built_step_by_step_as_in_1_8():
    strategy = hub.CombinedStrategy(optimizer_name="sgd", learning_rate=0.1)
    strategy.add_scheduler("warmup", 0.5)
    strategy.add_regularization("L2SP", 0.02)
    strategy.add_regularization("L2", value=0.01)
    strategy.add_clip("Norm", 3.0)
    plan = strategy.plan(deep(), Steps(10, 10))
    by_name = {name: group for group in plan.groups for name in group.parameters}
    assert (by_name["layer0.weight"].pull, by_name["layer3.weight"].pull) == (0.0, 0.02)
    assert {group.l2 for group in plan.groups} == {0.01}
    assert plan.clip_each_norm == 3.0
    assert [by_name["layer0.weight"].rate(step) for step in (0, 1, 5, 9)] == pytest.approx([0, 0.02, 0.1, 0.1])


@pytest.mark.parametrize("name", STRATEGIES)
def test_printing_a_strategy_changes_nothing(name):
    strategy, steps = STRATEGIES[name](), Steps(30, 10)
    if name == "combined":
        strategy.add_clip("GlobalNorm", 1.0)
    before = strategy.plan(deep(), steps)
    said = str(strategy), repr(hub.RunConfig(strategy=strategy)), str(before)
    after = strategy.plan(deep(), steps)
    assert (before.clip_norm, str(before)) == (after.clip_norm, str(after))
    assert said[0] in said[2]


@pytest.mark.parametrize(
    ("strategy", "expected"),
    [
        (hub.AdamWeightDecayStrategy(1.0, layerwise_decay=0.5), {d: (0.5**d, 0) for d in range(6)}),
        (hub.AdamWeightDecayStrategy(1.0, head_multiple=10), {0: (10.0, 0), **{d: (1.0, 0) for d in range(1, 6)}}),
        (hub.AdamWeightDecayStrategy(1.0, freeze=2), {d: (1.0, 0) for d in range(4)}),
        (hub.AdamWeightDecayStrategy(1.0, head_first=0.4), {0: (1.0, 0), **{d: (1.0, 12) for d in range(1, 6)}}),
    ],
    ids=["layer-wise decay", "head multiple", "freeze", "head first"],
)
def test_what_adamw_can_do_beside(strategy, expected):
    assert table(strategy) == {depth: (pytest.approx(peak), start) for depth, (peak, start) in expected.items()}


def test_what_is_frozen_by_the_context_stays_frozen_under_every_strategy():
    parameters = [*deep([0]), *deep(range(1, 6), trainable=False)]
    for name, make in STRATEGIES.items():
        plan = make().plan(parameters, Steps(30, 10))
        assert sorted(plan.frozen) == [f"layer{depth}.weight" for depth in range(1, 6)], name


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: hub.CombinedStrategy(scheduler={"warmups": 0.1}), "did you mean 'warmup'"),
        (lambda: hub.CombinedStrategy(scheduler={"discriminative": {"block": 3}}), "did you mean 'blocks'"),
        (lambda: hub.CombinedStrategy(scheduler={"warmup": 2}), "warmup=2"),
        (lambda: hub.CombinedStrategy(regularization={"L3": 1}), "there is no 'L3'"),
        (lambda: hub.CombinedStrategy(clip={"GlobalNorm": -1}), "GlobalNorm=-1"),
        (lambda: hub.CombinedStrategy(clip={"GlobalNorm": "much"}), "finite number"),
        (lambda: hub.ULMFiTStrategy(cut_fraction=1.5), "cut_fraction=1.5"),
        (lambda: hub.ULMFiTStrategy(dis_blocks=-1), "dis_blocks=-1"),
        (lambda: hub.ULMFiTStrategy(factor=0), "factor=0"),
        (lambda: hub.L2SPFinetuneStrategy(regularization_coeff=-1), "regularization_coeff=-1"),
        (lambda: hub.LoRAStrategy(rank=0), "rank=0"),
        (lambda: hub.AdamWeightDecayStrategy(freeze=7).plan(deep(), Steps(30, 10)), "at most 5"),
    ],
)
def test_values_out_of_range_are_refused(make, said):
    with pytest.raises(ConfigError, match=said):
        make()


def one_step(plan, value, gradient, start=None, step=0):
    """What one optimiser step of a plan makes of one number."""
    from transferhub.strategy.optimizers import make

    parameter = torch.nn.Parameter(torch.tensor([value if start is None else start]))
    optimizer, pulls = make(plan, [[parameter]]), Pulls(plan, [[parameter]])
    with torch.no_grad():
        parameter.fill_(value)
    parameter.grad = torch.tensor([gradient])
    optimizer.param_groups[0]["lr"] = plan.groups[0].rate(step)
    pulls.apply(step)
    optimizer.step()
    return parameter.item()


def test_what_pulls_on_a_weight_by_hand():
    pretrained, head = Parameter("w", 1, "backbone", 1, True), Parameter("w", 1, "head", 0, True)
    sp = hub.L2SPFinetuneStrategy(0.1, "sgd", regularization_coeff=0.5, head_regularization_coeff=0.25)
    steps = Steps(10, 10)
    # w = 3, w0 = 1, gradient 0.2: 3 - 0.1 (0.2 + 0.5 (3 - 1)) = 2.88
    assert one_step(sp.plan([pretrained], steps), 3.0, 0.2, start=1.0) == pytest.approx(2.88)
    # a new weight goes to zero: 3 - 0.1 (0.2 + 0.25 * 3) = 2.905
    assert one_step(sp.plan([head], steps), 3.0, 0.2, start=1.0) == pytest.approx(2.905)
    # L2: 3 - 0.1 (0.2 + 0.5 * 3) = 2.83
    l2 = hub.DefaultFinetuneStrategy(0.1, "sgd", regularization_coeff=0.5)
    assert one_step(l2.plan([pretrained], steps), 3.0, 0.2) == pytest.approx(2.83)
    # decoupled decay, with any optimiser: 3 (1 - 0.1 * 0.5) - 0.1 * 0.2 = 2.83
    decoupled = hub.CombinedStrategy("sgd", 0.1, regularization={"weight_decay": 0.5})
    assert one_step(decoupled.plan([pretrained], steps), 3.0, 0.2) == pytest.approx(2.83)


def test_lars_by_hand():
    parameter = torch.nn.Parameter(torch.tensor([3.0, 4.0]))
    optimizer = LarsMomentum([{"params": [parameter], "lr": 0.1}])
    parameter.grad = torch.tensor([0.0, 2.0])
    optimizer.step()  # trust 0.001 * 5 / 2 = 0.0025; v = 0.1 * 0.0025 * (0, 2)
    torch.testing.assert_close(parameter.detach(), torch.tensor([3.0, 4.0 - 0.0005]))
    optimizer.step()  # v = 0.9 v + about the same again
    assert parameter[1].item() == pytest.approx(4.0 - 0.0005 - 0.9 * 0.0005 - 0.0005, abs=1e-6)


def test_ftrl_by_hand_and_a_falling_rate_does_not_pull_a_weight_to_zero():
    parameter = torch.nn.Parameter(torch.tensor([1.0]))
    optimizer = OPTIMIZERS["ftrl"]([{"params": [parameter]}])
    expected, squares = 1.0, 1e-10
    for rate, gradient in ((0.1, 2.0), (0.05, 1.0), (0.01, 1e-6)):
        optimizer.param_groups[0]["lr"] = rate
        parameter.grad = torch.tensor([gradient])
        optimizer.step()
        squares += gradient**2
        expected -= rate * gradient / squares**0.5
        assert parameter.item() == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize(
    ("strategy", "name", "wrong"),
    [
        (strategy, name, wrong)
        for strategy, make in STRATEGIES.items()
        for name in inspect.signature(make).parameters
        for wrong in ("abc", [], {"a": "b"}, float("nan"), float("inf"), True)
        if not (name == "target_modules" and wrong in ("abc", []))
        and not (name.endswith(("params_layer", "regularization", "clip", "scheduler")) and wrong == [])
    ],
)
def test_an_argument_of_another_kind_is_an_error_of_ours(strategy, name, wrong):
    with pytest.raises(ConfigError):
        STRATEGIES[strategy](**{name: wrong})


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_every_optimiser_goes_downhill_and_its_state_can_be_saved(name):
    plan = hub.DefaultStrategy(0.05, name).plan([Parameter("w", 1, "head", 0, True)], Steps(300, 300))
    from transferhub.strategy.optimizers import make

    parameter = torch.nn.Parameter(torch.tensor([2.0]))
    optimizer = make(plan, [[parameter]])
    optimizer.param_groups[0]["lr"] = 50.0 if name == "larsmomentum" else 0.05
    before = parameter.item()
    for _ in range(30):
        parameter.grad = 2 * parameter.detach()
        optimizer.step()
    assert abs(parameter.item()) < before
    assert all(
        isinstance(value, torch.Tensor | int | float | type(None)) for value in optimizer.state[parameter].values()
    )
