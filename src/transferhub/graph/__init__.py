"""A network as named outputs: Variables, the nodes that compute them, and the module that runs them."""

from transferhub.graph.network import Network, Parameter, Settled
from transferhub.graph.randomness import derive, seeded
from transferhub.graph.variable import Node, Program, Source, Variable, mask_of, needs_fixed_length

__all__ = [
    "Network",
    "Node",
    "Parameter",
    "Program",
    "Settled",
    "Source",
    "Variable",
    "derive",
    "mask_of",
    "needs_fixed_length",
    "seeded",
]
