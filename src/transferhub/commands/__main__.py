"""``python -m transferhub.commands``: the ``hub`` command."""

from transferhub.commands import main

main()
