"""A graph that grows: nodes, constants, and where it can be taken apart at its trees."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper

from housing_core.listed_inputs import ListedInputs

Array = np.ndarray[Any, Any]


@dataclass(frozen=True, slots=True)
class TreesApart:
    """Where the graph can be taken apart at its trees, which serving walks by itself.

    Attributes:
        read: tensors that the trees are given.
        arrays: of `trees.npz`; None where they do not fit its format.
        listed: how those tensors come from the inputs; None where that is no list of what stands where.

    """

    read: tuple[str, ...]
    arrays: dict[str, Array] | None
    listed: ListedInputs | None = None


@dataclass
class GraphBuilder:
    """Nodes and constants of the graph as it grows."""

    nodes: list[onnx.NodeProto] = field(default_factory=list)
    constants: dict[str, onnx.TensorProto] = field(default_factory=dict)
    apart: TreesApart | None = None

    def constant(self, name: str, values: Array) -> str:
        """Add a constant; returns its name."""
        self.constants[name] = numpy_helper.from_array(values, name)
        return name

    def add(
        self, operator: str, inputs: Sequence[str], output: str, domain: str = "", **attributes: Any
    ) -> str:
        """Add a node with one output; returns the output's name."""
        self.nodes.append(
            helper.make_node(operator, list(inputs), [output], domain=domain, **attributes)
        )
        return output

    def concat(self, parts: Sequence[str], output: str) -> str:
        """Columns beside one another; one part needs no node."""
        return parts[0] if len(parts) == 1 else self.add("Concat", parts, output, axis=1)
