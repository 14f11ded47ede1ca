"""What a module consists of: which files are taken along, and whether those of a folder can be opened.

Weights come in one form, safetensors. Pickles can run code when they are opened, so they are taken only where the user
(``--allow-pickle``) or the catalogue (``weights``) names the file, and are converted, never kept (`pickles`).
"""

import json
from collections.abc import Collection, Iterable
from fnmatch import fnmatchcase
from pathlib import Path

from transferhub import atomic
from transferhub.errors import ModuleError

CONFIG = "config.json"
WEIGHTS = "model.safetensors"
INDEX = "model.safetensors.index.json"
WORD_PICKLE = "dict.wordseg.pickle"  # PaddleHub's word dictionary of ernie_tiny
WORDS = "dict.wordseg.txt"
SENTENCEPIECE = "spm_cased_simp_sampled.model"  # what ernie_tiny cuts words into pieces with
VECTORS = "vectors.npy"  # of a module of word vectors, in place of WEIGHTS; its vocab.txt says whose they are
WORD_VECTORS, ELMO = "word_vectors", "elmo_words"  # our own model_types
PROCESSOR = "preprocessor_config.json"  # how pictures are prepared for an image network of transformers
RECORD = "module.json"

# Configuration, tokenizers, licence. Indexes of other weight formats are left out below.
TEXTS = ("*.json", "*.txt", "*.model", "*.md", "LICENSE*", "NOTICE*")
SHARD = "model-?????-of-?????.safetensors"
PICKLES = (".bin", ".pt", ".pth", ".ckpt", ".pkl", ".pickle")
PADDLE = (".pdparams", ".pdmodel")
OWN = (RECORD, atomic.MANIFEST)


def choose(names: Collection[str], where: str, allow: Iterable[str] = (), *, weights: bool = True) -> list[str]:
    """Return the files to take, out of the names in a folder: one form of weights, and what goes with them.

    Args:
        names: File names, without folders.
        where: What they are the files of, for the message.
        allow: Pickles that may be opened, by name.
        weights: False: weights may be missing.

    Raises:
        ModuleError: No configuration, no weights, weights only as a pickle that nobody allowed, or an allowed pickle
            that is not there.
    """
    allowed = set(allow)
    if CONFIG not in names:
        raise ModuleError(
            f"{where} holds no module: there is no {CONFIG}",
            expected=f"{CONFIG} and {WEIGHTS}, as `save_pretrained` of transformers writes them",
            fix="weights of PaddlePaddle are not read here: convert them first" if _of_paddle(names) else None,
        )
    chosen = [
        name
        for name in names
        if name not in OWN
        and not name.startswith(".")
        and any(fnmatchcase(name, pattern) for pattern in TEXTS)
        and (name == INDEX or not name.endswith(".index.json"))
    ]
    found = [VECTORS] if VECTORS in names else _weights(names, allowed, where)
    if weights and not found:
        raise _no_weights(names, where)
    if WORD_PICKLE in names and WORDS not in names:
        if WORD_PICKLE not in allowed:
            raise ModuleError(
                f"{where}: the word dictionary is a pickle, {WORD_PICKLE}: opening it could run code",
                expected=f"{WORDS}, a word a line",
                fix=_allow(where, WORD_PICKLE),
            )
        found.append(WORD_PICKLE)
    if INDEX in chosen and WEIGHTS in found:
        chosen.remove(INDEX)
    return sorted({*chosen, *found})


def check_folder(folder: Path, *, weights: bool = True) -> None:
    """Refuse a folder that cannot be opened: configuration and weights are looked at, no weight is read.

    Raises:
        ModuleError: It names the file and says what is wrong with it.
    """
    try:
        names = [path.name for path in folder.iterdir() if path.is_file()]
    except OSError as error:
        raise ModuleError(f"the folder {folder} cannot be read: {error.strerror}") from error
    chosen = choose(names, str(folder), weights=weights)
    check(
        folder, [name for name in chosen if weights or not (name == INDEX or name.endswith((".safetensors", ".npy")))]
    )


def check(folder: Path, chosen: Collection[str]) -> None:
    """Refuse files of a module that cannot be opened; pickles are not looked at.

    Raises:
        ModuleError: It names the file and says what is wrong with it.
    """
    config = json_object(folder / CONFIG)
    if not isinstance(config.get("model_type", config.get("architecture")), str):
        raise ModuleError(
            f"{folder / CONFIG} names no model_type",
            expected='"model_type": "bert" or another architecture of transformers; "architecture": "resnet50" or '
            "another of timm",
        )
    shards = {name for name in chosen if name.endswith(".safetensors")}
    if INDEX in chosen:
        mapping = json_object(folder / INDEX).get("weight_map")
        wanted = {str(name) for name in mapping.values()} if isinstance(mapping, dict) else set()
        if not wanted or wanted - shards:
            raise ModuleError(
                f"{folder / INDEX} names weights that are not there: {', '.join(sorted(wanted - shards)) or 'none'}",
                fix="bring the folder here again, whole",
            )
    for name in sorted(shards):
        _check_weights(folder / name)
    if config.get("model_type") in (WORD_VECTORS, ELMO) and "vocab.txt" not in chosen:
        raise ModuleError(f"{folder} has no vocab.txt", expected="a word a line", fix="bring the folder here again")
    if VECTORS in chosen:
        from transferhub.text import vector_store

        vectors, words = vector_store.read_vectors(folder), vector_store.read_words(folder)
        if len(vectors) != len(words):
            raise ModuleError(
                f"{folder} is damaged: {VECTORS} has {len(vectors)} rows, vocab.txt {len(words)} words",
                fix="bring the folder here again, whole",
            )


def model_type(folder: Path) -> str:
    """What a folder's configuration calls its architecture; empty where it cannot be read."""
    try:
        return str(json_object(folder / CONFIG).get("model_type", ""))
    except ModuleError:
        return ""


def architecture(folder: Path) -> str:
    """What timm calls the network of a folder; empty where its configuration is none of timm's."""
    try:
        config = json_object(folder / CONFIG)
    except ModuleError:
        return ""
    return "" if "model_type" in config else str(config.get("architecture", ""))


def is_of_pictures(kind: str) -> bool:
    """Whether a ``model_type`` of transformers is that of a network that classifies pictures, and reads no texts."""
    from transformers.models.auto.modeling_auto import (
        MODEL_FOR_IMAGE_CLASSIFICATION_MAPPING_NAMES,
        MODEL_FOR_MASKED_LM_MAPPING_NAMES,
    )

    return kind in MODEL_FOR_IMAGE_CLASSIFICATION_MAPPING_NAMES and kind not in MODEL_FOR_MASKED_LM_MAPPING_NAMES


def json_object(path: Path) -> dict[str, object]:
    """Read a JSON object.

    Raises:
        ModuleError: It cannot be read, is not JSON, or is no object.
    """
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise ModuleError(
            f"{path} is damaged: it cannot be read as JSON ({error})", fix="bring the folder here again, whole"
        ) from error
    if not isinstance(value, dict):
        raise ModuleError(f"{path} is damaged: it holds a {type(value).__name__}", expected="a JSON object {…}")
    return value


def _check_weights(path: Path) -> None:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy") as file:
            empty = not list(file.keys())
    except (SafetensorError, OSError, ValueError) as error:
        raise ModuleError(
            f"{path} is damaged: it cannot be read as safetensors ({error}), {path.stat().st_size} bytes",
            fix="bring the file here again, whole",
        ) from error
    if empty:
        raise ModuleError(f"{path} holds no weights", fix="bring the file here again, whole")


def _weights(names: Collection[str], allowed: set[str], where: str) -> list[str]:
    if WEIGHTS in names:
        return [WEIGHTS]
    if INDEX in names:
        return [INDEX, *(name for name in names if fnmatchcase(name, SHARD))]
    pickles = sorted(allowed - {WORD_PICKLE})
    for name in pickles:
        if name not in names:
            raise ModuleError(
                f"{where} has no file {name}", expected=f"one of {', '.join(_pickles(names)) or 'none that is there'}"
            )
    return pickles


def _no_weights(names: Collection[str], where: str) -> ModuleError:
    if pickles := _pickles(names):
        return ModuleError(
            f"{where}: the weights are a pickle, {', '.join(pickles)}: opening it could run code",
            expected=f"{WEIGHTS}, which is only numbers",
            fix=_allow(where, *pickles),
        )
    others = [name for name in names if name.endswith((".h5", ".msgpack", ".onnx", ".ckpt.index", *PADDLE))]
    return ModuleError(
        f"{where} holds no weights" + (f" that are read here, only {', '.join(sorted(others))}" if others else ""),
        expected=f"{WEIGHTS}, as `save_pretrained` of transformers writes it (pickled weights, *.bin, are not read)",
        fix="bring the folder here again, whole, or convert its weights with transformers",
    )


def _allow(where: str, *names: str) -> str:
    options = " ".join(f"--allow-pickle {name}" for name in names)
    return (
        f"if you know where it comes from: `hub install NAME --from {where} {options}` converts it with a reader that "
        "takes tensors and plain values only, so that none of its code runs"
    )


def _pickles(names: Collection[str]) -> list[str]:
    """The files that may be pickled weights: pytorch_model*.bin where there are any."""
    usual = sorted(name for name in names if fnmatchcase(name, "pytorch_model*.bin"))
    return usual or sorted(name for name in names if name.endswith(PICKLES) and name != WORD_PICKLE)


def _of_paddle(names: Collection[str]) -> bool:
    return any(name.endswith(PADDLE) or name in ("module_desc.pb", "__model__") for name in names)
