"""``python -m transferhub.run_glue``: in place of ``python run_glue.py`` of transformers; the same as ``hub glue``."""

import sys

from transferhub.commands import main

if __name__ == "__main__":
    main(["glue", *sys.argv[1:]])
