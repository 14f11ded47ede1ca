"""What every strategy must hold, on networks of every shape. A new strategy is a row here."""

import shutil

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

import transferhub as hub
from architectures import write_architecture
from conftest import Crash, reviews
from transferhub import atomic
from transferhub.engine.events import Events
from transferhub.engine.kernels import speed_up
from transferhub.engine.training import Splits, Training
from transferhub.errors import ConfigError
from transferhub.graph import Network, Node, Source, Variable
from transferhub.graph.heads import FullyConnectedSource
from transferhub.module.transformer import EncoderSource
from transferhub.reader import ClassifyReader
from transferhub.strategy import STRATEGIES as SHORT_NAMES
from transferhub.strategy import Group, Plan, Steps, Strategy
from transferhub.task.class_meter import ClassMeter

IN_EPOCH, EPOCHS = 6, 5
TOTAL = IN_EPOCH * EPOCHS


class HeadOnly(Strategy):
    """Freezes all that is pretrained, by its Plan."""

    def plan(self, parameters, steps):
        head = [p for p in parameters if p.role == "head"]
        names = tuple(p.name for p in head)
        group = Group("head", names, sum(p.size for p in head), (0, 0), lambda step: 0.03, 0.03)
        return Plan("HeadOnly", "adamw", (group,), tuple(p.name for p in parameters if p.role != "head"), steps.total)


STRATEGIES = {
    "default": lambda: hub.DefaultStrategy(learning_rate=5e-3),
    "default momentum": lambda: hub.DefaultStrategy(learning_rate=0.05, optimizer_name="momentum"),
    "finetune": lambda: hub.DefaultFinetuneStrategy(learning_rate=5e-3),
    "finetune adagrad": lambda: hub.DefaultFinetuneStrategy(learning_rate=3e-2, optimizer_name="adagrad"),
    "finetune rmsprop": lambda: hub.DefaultFinetuneStrategy(learning_rate=2e-3, optimizer_name="rmsprop"),
    "finetune adamax": lambda: hub.DefaultFinetuneStrategy(learning_rate=1e-2, optimizer_name="adamax"),
    "adamw ftrl": lambda: hub.AdamWeightDecayStrategy(learning_rate=5e-2, optimizer_name="ftrl"),
    "finetune ftrl": lambda: hub.DefaultFinetuneStrategy(learning_rate=5e-2, optimizer_name="ftrl"),
    "adamw": lambda: hub.AdamWeightDecayStrategy(learning_rate=1e-2),
    "adamw noam": lambda: hub.AdamWeightDecayStrategy(learning_rate=1e-2, lr_scheduler="noam_decay"),
    "adamw cosine": lambda: hub.AdamWeightDecayStrategy(learning_rate=1e-2, lr_scheduler="cosine"),
    "adamw sgd": lambda: hub.AdamWeightDecayStrategy(learning_rate=0.5, optimizer_name="sgd"),
    "adamw head first": lambda: hub.AdamWeightDecayStrategy(learning_rate=1e-2, head_first=0.4),
    "adamw by layers": lambda: hub.AdamWeightDecayStrategy(
        learning_rate=1e-2, layerwise_decay=0.8, head_multiple=3, freeze=1
    ),
    "l2sp": lambda: hub.L2SPFinetuneStrategy(learning_rate=5e-3, regularization_coeff=1e-2),
    "ulmfit": lambda: hub.ULMFiTStrategy(learning_rate=2e-2),
    "ulmfit without unfreezing": lambda: hub.ULMFiTStrategy(learning_rate=2e-2, frz_blocks=0),
    "combined": lambda: hub.CombinedStrategy(
        learning_rate=1e-2,
        scheduler={"warmup": 0.1, "gradual_unfreeze": 3},
        regularization={"L2SP": 1e-3, "weight_decay": 0.01},
        clip={"Norm": 1.0},
    ),
    "lora": lambda: hub.LoRAStrategy(learning_rate=1e-2, rank=4),
    "frozen by the plan": HeadOnly,
}


class ConvNet(nn.Module):
    """A small convolutional net with normalisation: ids ``[B, L]`` → ``features`` ``[B, 16]``."""

    def __init__(self):
        super().__init__()
        self.table = nn.Embedding(200, 16)
        self.body = nn.Sequential(
            nn.Conv1d(16, 16, 3, padding=1), nn.BatchNorm1d(16), nn.ReLU(), nn.Conv1d(16, 16, 1), nn.BatchNorm1d(16)
        )

    def forward(self, input_ids):
        return {"features": self.body(self.table(input_ids).transpose(1, 2)).amax(dim=-1)}


class OwnNet(nn.Module):
    """Somebody's own network: a weight of its own, and parts in an order of its own."""

    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(16))
        self.words = nn.Embedding(200, 16)
        self.mix = nn.ModuleList([nn.Linear(16, 16), nn.LayerNorm(16), nn.Dropout(0.1), nn.Linear(16, 16)])

    def forward(self, input_ids):
        hidden = self.words(input_ids).mean(dim=1) * self.scale
        for layer in self.mix:
            hidden = layer(hidden)
        return {"features": torch.tanh(hidden)}


class PlainSource(Source):
    """A plain ``nn.Module`` as the pretrained part."""

    role = "backbone"

    def __init__(self, kind):
        self.kind = kind

    def build(self, seed):
        torch.manual_seed(seed)
        return self.kind()


@pytest.fixture(scope="module")
def roberta(tmp_path_factory):
    return write_architecture("roberta", tmp_path_factory.mktemp("roberta") / "module")


@pytest.fixture(params=["bert", "roberta", "convolutions", "own"])
def build(request, tiny, roberta):
    """Build a network: a body with "pretrained" weights and a fresh head."""
    plain = {"convolutions": ConvNet, "own": OwnNet}.get(request.param)
    ids = Variable("input_ids", (-1, 16, 1), "int64")
    if plain is not None:
        feature = Variable("features", (-1, 16), "float32", Node(PlainSource(plain), {"input_ids": ids}), "features")
    else:
        module = hub.Module(directory={"bert": tiny, "roberta": roberta}[request.param])
        inputs = {"input_ids": ids, "input_mask": Variable("input_mask", (-1, 16, 1), "float32")}
        node = Node(EncoderSource(module, True), inputs)
        feature = Variable("pooled", (-1, 32), "float32", node, "pooled_output")
    head = Node(FullyConnectedSource(feature.shape[-1], 2), {"feature": feature})
    return lambda: Network([Variable("logits", (-1, 2), "float32", head, "logits")], seed=3)


class Objective:
    def losses(self, outputs, batch):
        return nn.functional.cross_entropy(outputs["logits"].float(), batch["labels"], reduction="none")

    def rank(self, scores, loss):
        return -loss

    def meter(self, columns=None):
        return ClassMeter(2, {"acc": None})


@pytest.fixture
def start(build, tiny, in_tmp):
    """Start, or go on with, a run of a strategy; return it and the losses of its steps."""
    reader = ClassifyReader(vocab_path=tiny / "vocab.txt", max_seq_len=16)
    rows = reviews(48, 1)
    columns = reader.encode([text for text, _ in rows])
    columns.labels = np.array([int(label == "positive") for _, label in rows])

    def run(strategy, name, crash_at=None, watch=lambda training: None, precision="fp32"):
        network = build()
        strategy.adapt(network, 3)
        plan = strategy.plan(network.described_parameters(), Steps(TOTAL, IN_EPOCH))
        config = hub.RunConfig(num_epoch=EPOCHS, batch_size=8, eval_interval=10**6, save_ckpt_interval=4, seed=5)
        events, losses = Events(None), []

        def save_best(folder, scores):
            save_file({k: v.contiguous() for k, v in network.state_dict().items()}, folder / "model.safetensors")

        splits = Splits(columns, None, reader.pad, str)
        training = Training(
            speed_up(network), Objective(), splits, plan, config, precision, events, in_tmp / name, save_best
        )
        (in_tmp / name).mkdir(exist_ok=True)
        events.add("save_ckpt_interval", "default", lambda _: training.save_checkpoint())

        def step(_, states):
            losses.append(states[0].run_loss)
            watch(training)
            if crash_at == training.progress.step:
                raise Crash

        events.add("run_step", "watch", step)
        training.restore()
        if crash_at is None:
            training.fit()
            training.save_checkpoint()
        else:
            with pytest.raises(Crash):
                training.fit()
        return training, losses

    return run


def test_every_strategy_of_the_house_is_here():
    assert {type(make()) for make in STRATEGIES.values()} >= set(SHORT_NAMES.values())


@pytest.fixture(params=STRATEGIES)
def strategy(request):
    return STRATEGIES[request.param]()


def test_every_strategy_on_every_network(strategy, start, build, in_tmp):
    before = build()
    strategy.adapt(before, 3)
    before = {name: value.clone() for name, value in before.state_dict().items()}
    statistics = [name for name in before if "running_" in name]
    faults = []

    def watch(training):
        """What has not started yet is as it was, has no gradient and is in eval mode."""
        step, now = training.progress.step, dict(training.network.named_parameters())
        resting = [*training.plan.frozen]
        resting += [name for group in training.plan.groups if step <= group.starts for name in group.parameters]
        faults.extend(name for name in resting if not torch.equal(now[name], before[name]) or now[name].requires_grad)
        for name, module in training.network.named_modules():
            own = {f"{name}.{each}" for each, _ in module.named_parameters()}
            if own and own <= set(resting) and module.training:
                faults.append(f"{name} is in training mode")

    training, losses = start(strategy, "quiet", watch=watch)
    assert faults == []
    plan, after = training.plan, training.network.state_dict()
    assert all(torch.equal(before[name], after[name]) for name in plan.frozen)
    if all("parts.0." not in name for group in plan.groups for name in group.parameters):
        assert all(torch.equal(before[name], after[name]) for name in statistics), "statistics stand still"
    for group in plan.groups:
        assert any(not torch.equal(before[name], after[name]) for name in group.parameters), group.name
        assert all(0 <= group.rate(step) <= group.peak * (1 + 1e-12) for step in range(TOTAL))
    assert np.mean(losses[-6:]) < np.mean(losses[:6])

    start(strategy, "stopped", crash_at=10)  # goes on from step 8, while some groups rest
    start(strategy, "stopped")
    for name in ("model.safetensors", "optimizer.safetensors"):
        bits = [atomic.sha256(in_tmp / run / f"step_{TOTAL}" / name) for run in ("quiet", "stopped")]
        assert bits[0] == bits[1], name


@pytest.mark.parametrize("name", ["adamw", "adamw head first", "l2sp", "ulmfit", "lora"])
def test_in_bf16_a_stopped_run_ends_with_the_same_bits_and_statistics_move(name, start, in_tmp):
    strategy = STRATEGIES[name]()
    training, losses = start(strategy, "quiet", precision="bf16")
    start(strategy, "stopped", crash_at=10, precision="bf16")
    again, _ = start(strategy, "stopped", precision="bf16")
    ours, theirs = training.network.state_dict(), again.network.state_dict()
    assert [each for each in ours if not torch.equal(ours[each], theirs[each])] == []
    for each, value in ours.items():
        assert value.dtype != torch.bfloat16
        if each.endswith("running_mean") and not name.startswith("lora"):
            assert value.any(), "the statistics of the working copy are the master's"
    assert np.mean(losses[-6:]) < np.mean(losses[:6])


def test_the_only_step_of_a_run_moves_the_head(strategy, build):
    network = build()
    strategy.adapt(network, 3)
    plan = strategy.plan(network.described_parameters(), Steps(1, 1))
    moving = {name: group.rate(0) for group in plan.groups if group.starts == 0 for name in group.parameters}
    assert all(rate > 0 for rate in moving.values())
    assert any(name.startswith("parts.1.") for name in moving)


def test_a_plan_that_forgets_a_parameter_is_refused(make_task, in_tmp):
    class Forgetful(HeadOnly):
        def plan(self, parameters, steps):
            return super().plan(parameters[1:], steps)

    with pytest.raises(ConfigError, match="not complete and disjoint"):
        make_task(strategy=Forgetful(), checkpoint_dir="run").finetune_and_eval()


@pytest.mark.parametrize("name", ["default", "adamw head first", "l2sp", "ulmfit", "combined", "lora"])
def test_a_task_trains_with_it_and_its_best_model_opens_alone(name, make_task, in_tmp):
    from transformers import AutoModelForSequenceClassification

    from transferhub.module.encoder import quietly

    task = make_task(strategy=STRATEGIES[name](), checkpoint_dir="run", num_epoch=3, eval_interval=8)
    printed = str(task.plan())
    assert str(task.plan()) == printed, "printing changes nothing"
    result = task.finetune_and_eval()
    assert printed.splitlines()[1].startswith("group")
    with quietly():
        AutoModelForSequenceClassification.from_pretrained(result.best_model)
    texts = ["good room", "awful soup"]
    shutil.move("run/best_model", "elsewhere")
    np.testing.assert_array_equal(hub.load("elsewhere").predict(texts).probabilities, _probabilities(task, texts))


def _probabilities(task, texts):
    task.use_saved(task.run_path.parent / "elsewhere")
    return task.predict(texts).probabilities


def test_lora_moves_the_network_by_its_adapters_alone_and_saves_them_merged(make_task, in_tmp, tiny):
    task = make_task(strategy=hub.LoRAStrategy(learning_rate=1e-2), checkpoint_dir="run")
    plan = str(task.plan())
    assert "adapters" in plan
    assert "frozen" in plan
    seen = {}

    def keep(task, _):
        network = task.training.network
        seen["numbers"] = sum(p.numel() for p in network.parameters() if p.requires_grad)
        seen["all"] = sum(p.numel() for p in network.parameters())

    task.add_hook("run_step", "keep", keep)
    result = task.finetune_and_eval()
    assert seen["numbers"] < seen["all"] / 3
    before, after = load_file(tiny / "model.safetensors"), load_file(f"{result.best_model}/model.safetensors")
    assert not any("lora" in name for name in after)
    moved = {name for name, value in before.items() if not torch.equal(after[f"bert.{name}"], value)}
    assert moved
    assert all((name.endswith("weight") and ".layer." in name) or "pooler" in name for name in moved), "linear layers"
    dev = task.eval("dev").run_scores["acc"]
    assert dev == pytest.approx(result.dev["acc"])


def test_a_layer_that_lora_does_not_find_is_said(make_task):
    with pytest.raises(ConfigError, match=r"target_modules=\['q_proj'\](?s:.)*query"):
        make_task(strategy=hub.LoRAStrategy(target_modules=["q_proj"])).plan()


def test_parameters_that_get_no_gradient_or_came_frozen_are_warned_of(make_task, in_tmp, lines):
    task = make_task(strategy=hub.AdamWeightDecayStrategy(), checkpoint_dir="run", num_epoch=1)
    plain = task.build_network

    def build_network(seed=None):
        network = plain(seed)
        network.parts[0].network.embeddings.requires_grad_(False)
        network.parts[1].register_parameter("spare", nn.Parameter(torch.ones(3)))
        return network

    task.build_network = build_network
    task.finetune_and_eval()
    said = [line for line in lines if "WARNING" in line]
    assert any("came with requires_grad=False" in line and "embeddings" in line for line in said)
    assert any("get no gradient" in line and "parts.1.spare" in line for line in said)


def test_nothing_is_warned_of_where_all_is_well(make_task, in_tmp, lines, roberta):
    make_task(module=roberta, checkpoint_dir="run", num_epoch=1).finetune_and_eval()
    assert not [line for line in lines if "WARNING" in line]
