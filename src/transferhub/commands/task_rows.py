"""The rows that ``--train``, ``--dev`` and ``--test`` name, read as ``--task`` reads them."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from transferhub.commands import options
from transferhub.errors import ConfigError

if TYPE_CHECKING:
    from transferhub.commands.task_flags import TaskFlags
    from transferhub.dataset import BaseDataset

PICTURES = ("image-classification", "image-multi-label")
OF_PAIRS = ("text-matching", "pointwise-text-matching")
COLUMNS = ("text_column", "label_column")
FORM = ("delimiter", "encoding", "header", "quoted")
OF_TEXTS = ("text_pair_column", *FORM)  # flags that say nothing of pictures


def read(flags: "TaskFlags") -> "BaseDataset":
    """The rows of a task: a built-in set, pictures, triples, or a file or folder of texts.

    Raises:
        ConfigError: A flag that says nothing of such rows, rows of another kind, single texts for pairs.
        DataError: As the data set that is read.
    """
    import transferhub as hub
    from transferhub.dataset.kind_checks import label_columns

    kind = flags.task_class.kind or "classes"
    label: Any = label_columns(flags.label_column, kind)
    path = options.given_path(str(flags.train), "--train")
    beside = {name: getattr(flags, name) for name in ("dev", "test", "label_list", *COLUMNS, *OF_TEXTS)}
    beside["skip_broken"] = flags.skip_broken or None
    if (built_in := options.built_in_set(path, beside)) is not None:
        wanted = (kind, flags.task in PICTURES)
        if (built_in.kind, isinstance(built_in, hub.dataset.BaseCVDataset)) != wanted:
            raise ConfigError(f"--task {flags.task} with the data set {path}", expected="rows of this kind of task")
        return _of_pairs(flags, built_in)
    if flags.label_list is not None:
        flags.refuse("label_list")
    if flags.task in PICTURES:
        return _pictures(flags, path, label)
    _refuse_pictures(flags)
    given = {"text": flags.text_column, "text_pair": flags.text_pair_column, "label": label}
    form = {name: getattr(flags, name) for name in FORM}
    if flags.task == "pairwise-text-matching":
        return _triples(flags, path, given, form)
    names = options.names_of(flags.label_list)
    rows = hub.dataset.load(path, flags.dev, flags.test, kind=kind, label_list=names, **given, **form)
    return _of_pairs(flags, rows)


def _of_pairs(flags: "TaskFlags", rows: "BaseDataset") -> "BaseDataset":
    """The rows, refused where the task compares texts and they are single ones."""
    if flags.task in OF_PAIRS and len(rows.train_examples) and rows.train_examples[0].text_b is None:
        raise ConfigError(
            f"--task {flags.task}: the rows of {flags.train} are texts, not pairs",
            expected="two texts and a label",
            fix="--text-pair-column names the second text",
        )
    return rows


def _triples(flags: "TaskFlags", path: Path, given: Mapping[str, str | None], form: Mapping[str, Any]) -> "BaseDataset":
    from transferhub.dataset.triples import load_triples

    for name in (name for name, value in given.items() if value is not None):
        raise ConfigError(
            f"--{name.replace('_', '-')}-column with --task {flags.task}",
            expected="columns called query, left, right, label; or these four in this order",
        )
    files = {"train": path, "dev": flags.dev, "test": flags.test}
    return load_triples(files, options.names_of(flags.label_list), **form)


def _pictures(flags: "TaskFlags", path: Path, label: Any) -> "BaseDataset":
    import transferhub as hub
    from transferhub.dataset.picture_tables import refuse_text_flags

    refuse_text_flags({name: getattr(flags, name) for name in OF_TEXTS})
    return hub.dataset.load_images(
        path,
        flags.dev,
        flags.test,
        path=flags.text_column,
        label=label,
        label_list=options.names_of(flags.label_list),
        kind=flags.task_class.kind or "classes",
        broken="skip" if flags.skip_broken else "refuse",
    )


def _refuse_pictures(flags: "TaskFlags") -> None:
    """Refuse what only pictures have, for a task of texts."""
    from transferhub.module.timm_files import is_image

    if flags.skip_broken:
        raise ConfigError(f"--skip-broken with --task {flags.task}", expected=f"--task {' or '.join(PICTURES)}")
    if is_image(flags.module):
        raise ConfigError(
            f"--task {flags.task} with the image network {flags.module}",
            fix=f"--task image-{'multi-label' if flags.task == 'multi-label' else 'classification'}",
        )
