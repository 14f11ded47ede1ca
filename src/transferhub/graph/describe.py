"""A network as JSON and back: its layers by kind and plain arguments, never by code.

What a module of `hub.Module` computes is not written down but named: whoever rebuilds the network opens the module and
hands its Variables in. The user's own classes are named too, and have to be given: nothing is imported by a name that
stands in a file.

    {"inputs":  {"word_ids": {"shape": [-1, -1], "dtype": "int64"}},       made anew, if not among the known ones
     "known":   {"sequence_output": {"shape": [-1, 128, 384], …}},         of a module: must be given
     "sources": [{"kind": "fc", "arguments": {…}, "weights": "fc_0", "trainable": true, "lr_scale": 1.0}],
     "nodes":   [{"source": 0, "inputs": {"input": "pool_0"}, "fixed_length": false,
                  "outputs": {"fc_0": {"output": "out", "shape": [-1, 2], "dtype": "float32", "mask": null}}}],
     "outputs": ["fc_0"]}
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from torch import nn

from transferhub.errors import ConfigError, RunError
from transferhub.graph.applied import AppliedSource
from transferhub.graph.heads import FullyConnectedSource, MeanOfPiecesSource
from transferhub.graph.kinds import LayerSource
from transferhub.graph.programs import common_program
from transferhub.graph.variable import Node, Program, Source, Variable, walk_back

Described = dict[str, Any]


def describe(outputs: Sequence[Variable]) -> Described:
    """Write down the network of `outputs`, as far as it is of layers and of the user's modules.

    Raises:
        ConfigError: A function or class that has no name to find it by.
    """
    described: Described = {"inputs": {}, "known": {}, "sources": [], "nodes": [], "outputs": [v.name for v in outputs]}
    sources: list[Source] = []
    nodes: dict[int, Described] = {}

    def visit(variable: Variable) -> None:
        node = variable.node
        if node is None:
            if variable.mask is not None and not variable.is_ids:  # that of ids has its name from theirs
                visit(variable.mask)
            described["inputs"][variable.name] = _look(variable)
        elif (said := node.source.description()) is None:
            described["known"][variable.name] = _look(variable)
        else:
            if id(node) not in nodes:
                for given in node.inputs.values():
                    visit(given)
                if node.source not in sources:
                    sources.append(node.source)
                    described["sources"].append(said)
                nodes[id(node)] = {
                    "source": sources.index(node.source),
                    "inputs": {argument: given.name for argument, given in node.inputs.items()},
                    "fixed_length": node.fixed_length,
                    "outputs": {},
                }
                described["nodes"].append(nodes[id(node)])
            if variable.mask is not None:
                visit(variable.mask)
            nodes[id(node)]["outputs"][variable.name] = {"output": variable.output, **_look(variable)}

    for variable in outputs:
        visit(variable)
    return described


def rebuild(
    described: Mapping[str, Any],
    known: Mapping[str, Variable] | Program | None = None,
    classes: Mapping[str, Callable[[], nn.Module] | nn.Module] | None = None,
) -> list[Variable]:
    """The outputs of a network that `describe` wrote down, without its weights.

    Args:
        described: What `describe` returned, perhaps through a file.
        known: Variables of the modules it stands on, by name: the inputs and outputs of ``context()``, or its program.
        classes: The user's own classes by name, ``{"Net": Net}``: called without arguments, or modules as they are.

    Returns:
        Variables in the order that `describe` was given them, all of one program.

    Raises:
        RunError: No such description, a class that is missing or another one, a module's Variable that is missing or
            of another size.
    """
    given = dict(known.variables if isinstance(known, Program) else known or {})
    try:
        return _rebuilt(described, given, dict(classes or {}))
    except (KeyError, TypeError, AttributeError, IndexError, ValueError) as error:
        raise RunError(
            f"this is no description of a network: {type(error).__name__}: {error}", fix="copy the saved folder again"
        ) from error


def _rebuilt(
    described: Mapping[str, Any], given: dict[str, Variable], classes: dict[str, Callable[[], nn.Module] | nn.Module]
) -> list[Variable]:
    program = common_program(given.values())
    values: dict[str, Variable] = dict(given)
    for name, look in described["known"].items():
        if name not in given:
            raise RunError(
                f"the network stands on {name!r} {look['shape']} of a module, which is not given",
                expected=f"one of {', '.join(sorted(given)) or 'no Variables'}",
                fix="rebuild(…, known=program) with the program of that module's context()",
            )
        if given[name].shape[-1] != look["shape"][-1]:
            raise RunError(
                f"the network was made for {name!r} {look['shape']}, the module gives {list(given[name].shape)}",
                fix="open the module that the network was made with",
            )
    for name, look in described["inputs"].items():
        if name not in values:
            mask = values[look["mask"]] if look["mask"] else None
            made = Variable(name, tuple(look["shape"]), str(look["dtype"]), mask=mask)
            values[name] = program.variables.get(name) or program.add(made)
    sources = [_source(said, classes) for said in described["sources"]]
    for said in described["nodes"]:
        inputs = {argument: values[name] for argument, name in said["inputs"].items()}
        node = Node(sources[said["source"]], inputs, bool(said["fixed_length"]))
        for name, look in said["outputs"].items():
            mask = values[look["mask"]] if look["mask"] else None
            shape = tuple(int(size) for size in look["shape"])
            made = Variable(name, shape, str(look["dtype"]), node, str(look["output"]), mask=mask)
            values[name] = program.add(made)
    outputs = [values[name] for name in described["outputs"]]
    _keep_shared(program, outputs)
    return outputs


def _source(said: Mapping[str, Any], classes: Mapping[str, Callable[[], nn.Module] | nn.Module]) -> Source:
    kind = said["kind"]
    if kind == "head":
        return FullyConnectedSource(**said["arguments"])
    if kind == "mean_of_pieces":
        return MeanOfPiecesSource()
    if kind == "apply":
        return _applied(said, classes)
    try:
        return LayerSource(kind, said["arguments"], said["weights"], said["trainable"], said["lr_scale"])
    except ConfigError as error:
        raise RunError(f"a saved network: {error.what}", expected=error.expected, fix=error.fix) from error


def _applied(said: Mapping[str, Any], classes: Mapping[str, Callable[[], nn.Module] | nn.Module]) -> Source:
    full = str(said["class"])
    name = full.rpartition(":")[2]
    given = classes.get(full, classes.get(name, classes.get(name.rpartition(".")[2])))
    if given is None:
        raise RunError(
            f"the saved network needs your class {full}",
            expected=f"the class, or an instance of it with the sizes it had; given: {', '.join(classes) or 'none'}",
            fix=f'classes={{"{name}": {name}}}: code that a file names is never imported by itself',
        )
    if isinstance(given, nn.Module):
        module = given
    else:
        try:
            module = given()
        except Exception as error:  # the user's code
            raise RunError(
                f"{name}() failed: {type(error).__name__}: {error}", fix=f'classes={{"{name}": {name}(…)}}: an instance'
            ) from error
    if not isinstance(module, nn.Module):
        raise RunError(f"classes[{name!r}] gives {module!r:.60}", expected="an nn.Module, or a class of one")
    has = {place: list(values.shape) for place, values in module.state_dict().items()}
    if has != said["state"]:
        differ = sorted(place for place in has.keys() | said["state"] if has.get(place) != said["state"].get(place))
        first = differ[0]
        raise RunError(
            f"{name} is another network than the one that was saved: {len(differ)} tensors differ, "
            f"{first} is {has.get(first, 'not there')}, saved {said['state'].get(first, 'not there')}",
            fix="the code of then, or an instance with the sizes of then",
        )
    return AppliedSource(module, str(said["weights"]), said["lr_scale"], said["trainable"])


def _keep_shared(program: Program, outputs: Sequence[Variable]) -> None:
    for node in walk_back(outputs):
        if isinstance(node.source, AppliedSource):
            program.shared.setdefault(f"apply:{node.source.weights}", node.source)


def _look(variable: Variable) -> Described:
    mask = None if variable.mask is None or variable.is_ids else variable.mask.name
    return {"shape": list(variable.shape), "dtype": variable.dtype, "mask": mask}
