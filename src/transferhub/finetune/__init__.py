"""1.x's import paths ``hub.finetune.{strategy,config,task}``: the same classes."""
