"""``hub glue``: run_glue of transformers, flag by flag, over TransferHub's engine."""

import typer


def glue(context: typer.Context) -> None:
    """Fine-tune on a GLUE task or files with run_glue's own flags; `hub glue --help` lists them.

    Example: hub glue --model_name_or_path minilm --task_name sst2 --do_train --do_eval --output_dir sst2
    """
    from transferhub.glue.run import main

    main(context.args)
