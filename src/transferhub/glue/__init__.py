"""run_glue, the example script of transformers, over our engine: its flags, its refusals, its files."""
