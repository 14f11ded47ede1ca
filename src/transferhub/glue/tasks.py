"""The nine tasks of GLUE by run_glue's names: their labels in its order, and what its files call their scores."""

import statistics
from collections.abc import Mapping
from dataclasses import dataclass, field

from transferhub.errors import ConfigError, did_you_mean

# A score's name here → in the files of 2020 (the documents'), in those of the library now.
CALLED = {
    "acc": ("acc", "accuracy"),
    "f1": ("f1", "f1"),
    "matthews": ("mcc", "matthews_correlation"),
    "pearson": ("pearson", "pearson"),
    "spearman": ("spearmanr", "spearmanr"),
    "mse": ("mse", "mse"),
}
BOTH = {("acc", "f1"): "acc_and_f1", ("pearson", "spearman"): "corr"}


@dataclass(frozen=True)
class GlueTask:
    """One task.

    Args:
        name: As run_glue has it, in lower case; empty: files of one's own.
        sets: Suffix of the scores' names → the data set in ``sets.toml``, whose dev and test rows they are of.
        labels: In the order of their ids, which is that of the library's data sets.
        spelled: How the labels stand in GLUE's own files, where they do not stand there by name.
        metrics: The scores' names here, the first is the one that counts.
    """

    name: str
    sets: Mapping[str, str] = field(default_factory=dict)
    labels: tuple[str, ...] = ()
    spelled: tuple[str, ...] = ()
    metrics: tuple[str, ...] = ("acc",)

    @property
    def is_regression(self) -> bool:
        """Whether a row has a number and no label."""
        return self.metrics[0] in ("pearson", "mse")

    @property
    def best_by(self) -> dict[str, str]:
        """What ``--metric_for_best_model`` may name → the score's name here."""
        return {CALLED[name][1]: name for name in self.metrics} | {name: name for name in self.metrics}

    def documented(self, scores: Mapping[str, float], part: str = "") -> dict[str, float]:
        """The scores as the documents call them: ``acc f1 acc_and_f1 mcc pearson spearmanr corr``."""
        named = {CALLED[name][0]: scores[name] for name in self.metrics}
        if self.metrics in BOTH:
            named[BOTH[self.metrics]] = statistics.fmean(scores[name] for name in self.metrics)
        before = {"mnli": "mnli/", "mnli-mm": "mnli-mm/"}.get(f"{self.name}{part}", "")
        return {f"{before}{name}": value for name, value in sorted(named.items())}

    def in_library(self, scores: Mapping[str, float], part: str = "") -> dict[str, float]:
        """The scores as the library calls them: ``eval_accuracy eval_combined_score`` …, ``eval_accuracy_mm``."""
        named = {CALLED[name][1]: scores[name] for name in self.metrics}
        if len(named) > 1:
            named["combined_score"] = statistics.fmean(named.values())
        return {f"eval_{name}{part.replace('-', '_')}": value for name, value in named.items()}


_SAME = ("acc", "f1")
TASKS = {
    task.name: task
    for task in (
        GlueTask("cola", {"": "CoLA"}, ("unacceptable", "acceptable"), ("0", "1"), ("matthews",)),
        GlueTask("mnli", {"": "MNLI_m", "-mm": "MNLI_mm"}, ("entailment", "neutral", "contradiction")),
        GlueTask("mrpc", {"": "MRPC"}, ("not_equivalent", "equivalent"), ("0", "1"), _SAME),
        GlueTask("qnli", {"": "QNLI"}, ("entailment", "not_entailment")),
        GlueTask("qqp", {"": "QQP"}, ("not_duplicate", "duplicate"), ("0", "1"), _SAME),
        GlueTask("rte", {"": "RTE"}, ("entailment", "not_entailment")),
        GlueTask("sst2", {"": "SST-2"}, ("negative", "positive"), ("0", "1")),
        GlueTask("stsb", {"": "STS-B"}, metrics=("pearson", "spearman")),
        GlueTask("wnli", {"": "WNLI"}, ("not_entailment", "entailment"), ("0", "1")),
    )
}
OLD_NAMES = {"sst-2": "sst2", "sts-b": "stsb", "mnli-mm": "mnli"}  # of run_glue before 2020-08


def known_task(name: str) -> GlueTask:
    """A task by its name, in any case, old spellings too.

    Raises:
        ConfigError: There is none of that name.
    """
    lower = name.lower()
    found = TASKS.get(OLD_NAMES.get(lower, lower))
    if found is None:
        raise ConfigError(
            f"--task_name {name}",
            expected=f"one of {', '.join(TASKS)}",
            fix=did_you_mean(lower, [*TASKS, *OLD_NAMES]) or "rows of your own: --train_file and --validation_file",
        )
    return found
