"""``from transferhub import fluid``: what 1.x scripts call of ``paddle.fluid``, over `hub.layers`.

Layers, ``ParamAttr``, initializers, programs and an ``Executor`` that evaluates Variables. Training is a task's.
"""

from transferhub.fluid import framework, initializer, layers
from transferhub.fluid.executor import CPUPlace, CUDAPlace, Executor
from transferhub.fluid.framework import (
    Program,
    Variable,
    default_main_program,
    default_startup_program,
    program_guard,
)
from transferhub.fluid.param_attr import ParamAttr

__all__ = [
    "CPUPlace",
    "CUDAPlace",
    "Executor",
    "ParamAttr",
    "Program",
    "Variable",
    "default_main_program",
    "default_startup_program",
    "framework",
    "initializer",
    "layers",
    "program_guard",
]
