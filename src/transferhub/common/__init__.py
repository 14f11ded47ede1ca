"""1.x's import paths ``hub.common.{logger,dir}``."""
