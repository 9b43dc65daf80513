"""Quantised layers and adapters of Keras 3, as plain layers with forms of weights.

``model.quantize()`` replaces kernels by whole numbers with scales, and states a dtype
policy such as ``int8_from_float32``.  Where the layer also quantises its inputs, it
gets the option ``inputs_quantizer``, with ``low``, ``high`` and ``epsilon``, and keeps
the whole numbers.  Otherwise it is the same layer as before, with a kernel of floats.

Measured on Keras 3.2 to 3.15: int8 since 3.2, int4 since 3.11, GPTQ since 3.12, AWQ
since 3.14.  Since 3.14, int4 quantises inputs only if its configuration says so.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from gru2np.generations import packing
from gru2np.generations.packing import Part, assembled
from gru2np.generations.records import is_integer, is_number
from gru2np.ir import PLAIN

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from gru2np.generations.releases import Version
    from gru2np.ir import Form

POLICIES = (
    *("QuantizedDTypePolicy", "QuantizedFloat8DTypePolicy"),
    *("Int4DTypePolicy", "GPTQDTypePolicy", "AWQDTypePolicy"),
)
# Options that this module adds: never those of a file.
MODE, INPUTS, ADAPTED = "quantized", "inputs_quantizer", "adapted"
CONFIG = "quantization_config"
ADAPTERS = ("lora_rank", "lora_alpha")
# The weight that adapters change, by class.
KERNELS = {
    **dict.fromkeys(("Dense", "EinsumDense"), "kernel"),
    **dict.fromkeys(("Conv1D", "Conv2D", "Conv3D"), "kernel"),
    **dict.fromkeys(("Embedding", "ReversibleEmbedding"), "embeddings"),
}
# The modes of kernels of bytes, calibrated with data.
BYTES = ("gptq", "awq")
# What ``quantize()`` does with inputs unless it is told otherwise.
ABS_MAX = {"low": -127.0, "high": 127.0, "epsilon": 1e-7}


class Policy(NamedTuple):
    """A quantised dtype policy.

    Attributes:
        mode: ``int8``, ``int4``, ``float8``, ``gptq`` or ``awq``.
        sizes: of int4 the size of blocks, -1 for none; of GPTQ and AWQ the bits and
            the size of groups; empty if the policy names none.
        source: the policy before ``quantize()``.
    """

    mode: str
    sizes: tuple[int, ...]
    source: str


class Quantized(NamedTuple):
    """A quantised layer as read.

    Attributes:
        class_name: of the layer.
        options: of the layer.
        policy: its dtype policy.
        inputs: how it quantises its inputs; None if it does not.
        block: the size of blocks that share a scale; None if a column shares one.
        version: of the Keras that saved it.
    """

    class_name: str
    options: Mapping[str, Any]
    policy: Policy
    inputs: Mapping[str, float] | None
    block: int | None
    version: Version


class Unknown(Exception):
    """A quantised layer of a kind that was never measured."""


def policy_of(value: object) -> Policy | None:
    """The quantised policy that a ``dtype`` is; None if it is another value."""
    text = value
    if isinstance(value, dict):
        config = value.get("config")
        if value.get("class_name") not in POLICIES or not isinstance(config, dict):
            return None
        stated = f"{config.get('mode')}_from_{config.get('source_name')}"
        text = config.get("name", stated)
    if not isinstance(text, str) or "_from_" not in text:
        return None
    words, _, source = text.partition("_from_")
    mode, *sizes = words.split("/")
    try:
        return Policy(mode, tuple(map(int, sizes)), source)
    except ValueError:
        return None


def spelled(
    class_name: str, options: Mapping[str, Any], version: Version, container: str
) -> tuple[dict[str, Any], tuple[Form, ...]]:
    """The options and the forms of the weights of a layer that may be quantised.

    A layer of an unknown kind keeps its dtype and its adapters, which are refused.

    Args:
        class_name: of the layer.
        options: as in the file.
        version: of the Keras that saved the file.
        container: ``paths`` if the adapters are merged into the kernels, ``groups`` if
            they are stored beside them, else another word.
    """
    plain = {k: v for k, v in options.items() if k not in (MODE, INPUTS, ADAPTED)}
    policy = policy_of(options.get("dtype"))
    adapter = None
    if container == "groups":
        adapter = _adapter(class_name, options, quantized=policy is not None)
    if container == "paths" or adapter is not None:
        plain = {k: v for k, v in plain.items() if k not in ADAPTERS}
    parts: list[tuple[dict[str, Part], bool]] = [({}, False)]
    if policy is not None:
        try:
            layer = _read(class_name, options, policy, version)
            # Keras since 3.14 leaves the zeros out of an archive.
            if policy.mode in BYTES and container == "paths" and version >= (3, 14, 0):
                raise Unknown
            parts = PARTS[class_name, policy.mode](layer)
        except Unknown:
            return plain, (PLAIN,)
        plain.pop(CONFIG, None)
        plain.update({"dtype": policy.source, MODE: policy.mode})
        if layer.inputs is not None:
            plain[INPUTS] = dict(layer.inputs)
    if adapter is not None:
        _adapt(plain, parts, KERNELS[class_name], adapter)
    return plain, tuple(_form(found, first) for found, first in parts)


def _form(parts: Mapping[str, Part], bias_first: bool) -> Form:
    return assembled(parts, bias_first=bias_first) if parts else PLAIN


def _read(
    class_name: str, options: Mapping[str, Any], policy: Policy, version: Version
) -> Quantized:
    """A quantised layer; ``Unknown`` if it is of no known kind."""
    config = options.get(CONFIG)
    block = policy.sizes[0] if policy.mode == "int4" and policy.sizes else -1
    # Keras 3.1 stored the arrays in another order and form.
    if (class_name, policy.mode) not in PARTS or version < (3, 2, 0):
        raise Unknown
    if policy.mode in BYTES:
        if len(policy.sizes) != 2 or policy.sizes[1] == 0:
            raise Unknown
        return Quantized(class_name, options, policy, None, None, version)
    if config is None:
        # The same policy without a size of blocks means int4 before 3.14.
        quantizes = policy.mode == "int8" or version < (3, 14, 0)
        if class_name == "ReversibleEmbedding":
            quantizes = True
        inputs: Mapping[str, float] | None = ABS_MAX if quantizes else None
    else:
        record = config.get("config") if isinstance(config, dict) else None
        if not isinstance(record, dict):
            raise Unknown
        inputs = _inputs(record.get("activation_quantizer"))
        if "block_size" in record:
            size = record["block_size"]
            if size is not None and not is_integer(size):
                raise Unknown
            block = -1 if size is None else size
    if block == 0 or block < -1:
        raise Unknown
    grouped = block if block > 0 else None
    if class_name == "Embedding":
        inputs = None
    elif grouped and class_name != "ReversibleEmbedding":
        # Blocks are dequantised before the product with the inputs as they are.
        inputs = None
    return Quantized(class_name, options, policy, inputs, grouped, version)


def _inputs(value: object) -> Mapping[str, float] | None:
    """How a quantizer of activations rounds; None without one."""
    if value is None:
        return None
    if not isinstance(value, dict) or value.get("class_name") != "AbsMaxQuantizer":
        raise Unknown
    config = value.get("config")
    if not isinstance(config, dict):
        raise Unknown
    bounds, epsilon = config.get("value_range"), config.get("epsilon")
    known = {"value_range", "epsilon", "output_dtype", "axis"}
    if (
        not set(config) <= known
        or config.get("output_dtype") != "int8"
        or config.get("axis") not in (None, -1, [-1])
        or not isinstance(bounds, list)
        or len(bounds) != 2
        or not all(map(is_number, bounds))
        or not is_number(epsilon)
    ):
        raise Unknown
    return {
        "low": float(bounds[0]),
        "high": float(bounds[1]),
        "epsilon": float(epsilon),
    }


def _adapter(
    class_name: str, options: Mapping[str, Any], *, quantized: bool
) -> tuple[int, float] | None:
    """The rank of adapters, and the factor of their product.

    None if there are none, or no known ones.  The reverse of a quantised
    ReversibleEmbedding ignores them.
    """
    rank, alpha = (options.get(key) for key in ADAPTERS)
    alpha = rank if alpha is None else alpha
    ignored = quantized and class_name == "ReversibleEmbedding"
    if ignored or class_name not in KERNELS or not is_integer(rank):
        return None
    return (rank, alpha / rank) if rank > 0 and is_number(alpha) else None


def _adapt(
    options: dict[str, Any],
    forms: Sequence[tuple[dict[str, Part], bool]],
    main: str,
    adapter: tuple[int, float],
) -> None:
    """Add adapters to a kernel, or beside one of whole numbers.

    Args:
        options: of the layer.
        forms: the parts of its forms; changed.
        main: the weight that the adapters belong to.
        adapter: their rank, and the factor of their product.
    """
    beside = INPUTS in options
    if beside:
        options[ADAPTED] = True
    for parts, _ in forms:
        delta = packing.adapter(main, *adapter)
        if beside:
            parts["adapter"] = delta
        else:
            parts[main] = packing.added(parts.get(main, packing.same(main)), delta)


def _of_dense(layer: Quantized) -> list[tuple[dict[str, Part], bool]]:
    if layer.policy.mode == "int8":
        whole = packing.whole("kernel")
        kernel = whole if layer.inputs else packing.scaled("kernel", whole, -1)
        return [({"kernel": kernel}, False)]
    if layer.block is not None:
        return [({"kernel": packing.grouped("kernel", layer.block, 0, 1)}, False)]
    pairs = [packing.pairs("kernel", -1), packing.pairs("kernel", 0)]
    if layer.inputs is None:
        pairs = [packing.scaled("kernel", part, -1) for part in pairs]
    return [({"kernel": part}, False) for part in pairs]


def _of_einsum(layer: Quantized) -> list[tuple[dict[str, Part], bool]]:
    equation = packing.Equation.parsed(layer.options.get("equation"))
    if equation is None:
        raise Unknown
    if layer.policy.mode == "int8":
        whole = packing.whole("kernel")
        kernel = whole if layer.inputs else equation.scaled(whole)
        return [({"kernel": kernel}, False)]
    flat: dict[str, Part] = {"kernel": equation.flat(layer.block)}
    if layer.version >= (3, 14, 0):
        if layer.inputs is not None:
            flat["kernel_scale"] = packing.ones("kernel_scale")
        return [(flat, False)]
    whole = packing.pairs("kernel", equation.packed_axis)
    return [({"kernel": whole if layer.inputs else equation.scaled(whole)}, False)]


def _of_table(layer: Quantized) -> list[tuple[dict[str, Part], bool]]:
    # Until 3.2 a column of the table shared a scale, then a row.
    axis = -1 if layer.version < (3, 3, 0) else 0
    if layer.block is not None:
        return [
            ({"embeddings": packing.grouped("embeddings", layer.block, 1, 0)}, False)
        ]
    whole = packing.whole("embeddings")
    if layer.policy.mode == "int4":
        whole = packing.pairs("embeddings", -1)
    return [({"embeddings": packing.scaled("embeddings", whole, axis)}, False)]


def _of_reversible(layer: Quantized) -> list[tuple[dict[str, Part], bool]]:
    tied = layer.options.get("tie_weights", True) is True
    names = {"embeddings": (1, 0), "reverse_embeddings": (0, 1)}
    parts: dict[str, Part] = {}
    for name in list(names)[: 1 if tied else 2]:
        summed, kept = names[name]
        if layer.block is not None:
            part = packing.grouped(name, layer.block, summed, kept)
        else:
            part = packing.whole(name)
            if layer.policy.mode == "int4":
                part = packing.pairs(name, summed)
            if layer.inputs is None:
                part = packing.scaled(name, part, kept)
        parts[name] = part
        if layer.block is not None and layer.inputs is not None:
            parts[f"{name}_scale"] = packing.ones(f"{name}_scale")
        elif layer.inputs is not None:
            parts[f"{name}_scale"] = packing.same(f"{name}_scale")
    return [(parts, False)]


def _of_bytes(layer: Quantized) -> list[tuple[dict[str, Part], bool]]:
    """GPTQ and AWQ: a kernel of bytes, transposed, after the bias."""
    bits, group = layer.policy.sizes
    einsum = layer.class_name == "EinsumDense"
    part = packing.transposed(
        bits,
        group,
        zero="zero_point" if einsum else "kernel_zero",
        activations=layer.policy.mode == "awq",
    )
    return [({"kernel": part}, True)]


# By class and mode: the parts of each form, and whether the bias comes first.
PARTS = {
    **dict.fromkeys((("Dense", "int8"), ("Dense", "int4")), _of_dense),
    **dict.fromkeys((("EinsumDense", "int8"), ("EinsumDense", "int4")), _of_einsum),
    **dict.fromkeys((("Embedding", "int8"), ("Embedding", "int4")), _of_table),
    ("ReversibleEmbedding", "int8"): _of_reversible,
    ("ReversibleEmbedding", "int4"): _of_reversible,
    **{(name, mode): _of_bytes for name in ("Dense", "EinsumDense") for mode in BYTES},
}
