"""The sub-commands, by name. A new one is one file and one line here."""

import typer

from transferhub.commands import (
    about,
    autofinetune,
    cache,
    compare,
    evaluate,
    finetune,
    glue,
    lr_find,
    modules,
    predict,
    pretrain,
    run,
    tune,
)

app = typer.Typer(
    name="hub",
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Transfer learning: your labelled rows and a pretrained network in, a fine-tuned model that works out.",
    epilog="Example: hub finetune --module minilm --train reviews.csv   (--debug shows tracebacks)",
)
for name, command in (
    ("finetune", finetune.finetune),
    ("compare", compare.compare),
    ("lr-find", lr_find.lr_find),
    ("evaluate", evaluate.evaluate),
    ("predict", predict.predict),
    ("tune", tune.tune),
    ("autofinetune", autofinetune.autofinetune),
    ("run", run.run),
    ("board", about.board),
    ("install", modules.install),
    ("uninstall", modules.uninstall),
    ("download", modules.download),
    ("list", modules.list_modules),
    ("search", modules.search),
    ("show", modules.show),
    ("clear", modules.clear),
    ("cache", cache.cache),
    ("config", about.config),
    ("version", modules.version),
    ("help", about.help_of),
):
    app.command(name)(command)
# Its flags, with --help among them, are run_glue's, which typer does not know.
everything = {"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []}
app.command("glue", context_settings=everything)(glue.glue)
app.add_typer(pretrain.app, name="pretrain")
