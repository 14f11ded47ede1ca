"""``hub run``: what a module, or a best model, says of texts or pictures, without a script."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from transferhub.errors import ConfigError, ModuleError

Many = Annotated[list[str] | None, typer.Option(help="A text; of pairs both, with a tab between. May be repeated.")]


def run(
    module: Annotated[str, typer.Argument(help="A module that predicts by itself, or a best_model folder.")],
    input_text: Many = None,
    input_path: Annotated[list[str] | None, typer.Option(help="A picture. May be repeated.")] = None,
    input_file: Annotated[Path | None, typer.Option(help="A file with one of these a line.")] = None,
    use_strip: Annotated[
        bool, typer.Option("--use-strip/--no-use-strip", help="Leave out blanks around a line, and empty lines.")
    ] = True,
    use_gpu: Annotated[bool, typer.Option("--use-gpu/--no-use-gpu", help="Compute on a GPU, if there is one.")] = False,
    batch_size: Annotated[int, typer.Option(help="Rows computed together.")] = 32,
    top_k: Annotated[int, typer.Option(help="Of pictures: how many classes.")] = 1,
) -> None:
    """Print what a module says of each input, as JSON: classes of pictures, the similarity of pairs of texts.

    Example: hub run resnet_v2_50_imagenet --input_path a.jpg --top_k 3    or: hub run run/best_model --input_text fun
    """
    given = [*(input_text or ()), *(input_path or ())]
    if input_file is not None:
        if not input_file.is_file():
            raise ConfigError(f"--input-file {input_file} is not there", expected="a file with an input a line")
        try:
            lines = input_file.read_text(encoding="utf-8-sig").split("\n")
        except UnicodeDecodeError as error:
            what = f"--input-file {input_file} is not UTF-8 at byte {error.start}"
            raise ConfigError(what, fix="convert it to UTF-8 first") from None
        lines = lines[:-1] if lines[-1] == "" else lines
        given += [line.strip() for line in lines if line.strip()] if use_strip else lines
    if not given:
        raise ConfigError("nothing to run on", expected="--input-text, --input-path or --input-file")
    print(json.dumps(_answers(module, given, use_gpu, batch_size, top_k), ensure_ascii=False, indent=2))


def _answers(name: str, given: list[str], use_gpu: bool, batch_size: int, top_k: int) -> list[Any]:
    import transferhub as hub

    folder = Path(name)
    if (folder / "task.json").is_file() or (folder / "best_model" / "task.json").is_file():
        rows: list[Any] = [text.split("\t", 1) if "\t" in text else text for text in given]
        return list(hub.load(folder).predict(rows).records())
    module: Any = hub.Module(name=name)
    if hasattr(module, "classification"):
        found: list[Any] = module.classification(paths=given, use_gpu=use_gpu, batch_size=batch_size, top_k=top_k)
        return found
    if hasattr(module, "similarity"):
        pairs = [text.split("\t") for text in given]
        wrong = next((text for text, pair in zip(given, pairs, strict=True) if len(pair) != 2), None)
        if wrong is not None:
            raise ConfigError(f"{wrong!r:.60} is no pair", expected="two texts with a tab between them")
        texts = [list(side) for side in zip(*pairs, strict=True)]
        return list(module.similarity(texts=texts, use_gpu=use_gpu, batch_size=batch_size))
    raise ModuleError(
        f"the module {module.name} is not executable: it predicts nothing by itself",
        expected="an image module, simnet_bow, or the best_model folder of a run",
        fix=f"hub finetune --module {module.name} --train FILE",
    )
