"""TensorFlow's operations and their classes in ``keras.ops``.

``FUNCTIONS`` has Python functions by their exported name in TensorFlow, ``NODES`` the
kinds of nodes of TensorFlow's graphs.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True)
class Operation:
    """One operation.

    Attributes:
        class_name: the class in ``keras.ops``.
        operands: parameters of a function that may be tensors, in order.
        takes_list: whether the first argument is a list of tensors.
        options: options by the name of the parameter, or of the node's attribute.
        positions: options of a node that are operands, by position.
        fixed: defaults of options that the file leaves out.
        neutral: arguments that change nothing if they have this value.
        ignored: arguments that never change a number.
        sizes: options that are shapes, whose sizes the model may compute.
        first: the option that the first argument is, if it is no tensor.
    """

    class_name: str
    operands: tuple[str, ...] = ("x",)
    takes_list: bool = False
    options: Mapping[str, str] = field(default_factory=dict)
    positions: Mapping[int, str] = field(default_factory=dict)
    fixed: Mapping[str, Any] = field(default_factory=dict)
    neutral: Mapping[str, Any] = field(default_factory=dict)
    ignored: frozenset[str] = frozenset({"name"})
    sizes: frozenset[str] = frozenset()
    first: str = ""


# TensorFlow divides integers in float64.
WHOLE = {"whole_as": "float64"}
OF_TWO = {
    "Add": ("math.add", "__operators__.add"),
    "Arctan2": ("math.atan2",),
    "DivideNoNan": ("math.divide_no_nan",),
    "Equal": ("math.equal", "__operators__.eq"),
    "FloorOfQuotient": ("math.floordiv", "compat.v1.floor_div"),
    "Greater": ("math.greater",),
    "GreaterEqual": ("math.greater_equal",),
    "Less": ("math.less",),
    "LessEqual": ("math.less_equal",),
    "LogicalAnd": ("math.logical_and",),
    "LogicalOr": ("math.logical_or",),
    "LogicalXor": ("math.logical_xor",),
    "Maximum": ("math.maximum",),
    "Minimum": ("math.minimum",),
    "Mod": ("math.floormod", "math.mod"),
    "Multiply": ("math.multiply",),
    "NotEqual": ("math.not_equal", "__operators__.ne"),
    "Power": ("math.pow",),
    "SquaredDifference": ("math.squared_difference",),
    "Subtract": ("math.subtract",),
    "TrueDivide": ("math.truediv", "math.divide"),
}
OF_ONE = {
    "Absolute": ("math.abs",),
    "Arccos": ("math.acos",),
    "Arccosh": ("math.acosh",),
    "Arcsin": ("math.asin",),
    "Arcsinh": ("math.asinh",),
    "Arctan": ("math.atan",),
    "Arctanh": ("math.atanh",),
    "Ceil": ("math.ceil",),
    "Cos": ("math.cos",),
    "Cosh": ("math.cosh",),
    "Elu": ("nn.elu",),
    "Erf": ("math.erf",),
    "Exp": ("math.exp",),
    "Expm1": ("math.expm1",),
    "Floor": ("math.floor",),
    "Isfinite": ("math.is_finite",),
    "Isinf": ("math.is_inf",),
    "Isnan": ("math.is_nan",),
    "Log": ("math.log",),
    "Log1p": ("math.log1p",),
    "LogSigmoid": ("math.log_sigmoid",),
    "LogicalNot": ("math.logical_not",),
    "Negative": ("math.negative",),
    "Reciprocal": ("math.reciprocal",),
    "Relu": ("nn.relu",),
    "Relu6": ("nn.relu6",),
    "Round": ("math.round", "math.rint"),
    "Rsqrt": ("math.rsqrt",),
    "Selu": ("nn.selu",),
    "Sigmoid": ("math.sigmoid", "nn.sigmoid"),
    "Sign": ("math.sign",),
    "Sin": ("math.sin",),
    "Sinh": ("math.sinh",),
    "Softplus": ("math.softplus", "nn.softplus"),
    "Softsign": ("nn.softsign", "math.softsign"),
    "Sqrt": ("math.sqrt",),
    "Square": ("math.square",),
    "StopGradient": ("stop_gradient", "identity"),
    "Tan": ("math.tan",),
    "Tanh": ("math.tanh", "nn.tanh"),
}
REDUCTIONS = {
    "All": "math.reduce_all",
    "Any": "math.reduce_any",
    "Logsumexp": "math.reduce_logsumexp",
    "Max": "math.reduce_max",
    "Mean": "math.reduce_mean",
    "Min": "math.reduce_min",
    "Prod": "math.reduce_prod",
    "Std": "math.reduce_std",
    "Sum": "math.reduce_sum",
    "Var": "math.reduce_variance",
}
AXIS = {"axis": "axis"}
REDUCED = {**AXIS, "keepdims": "keepdims"}
TRANSPOSE = Operation(
    "Transpose", options={"perm": "axes"}, neutral={"conjugate": False}
)
FUNCTIONS: dict[str, Operation] = {
    **{
        name: Operation(
            class_name,
            # The only function with operands y and x.
            ("y", "x") if class_name == "Arctan2" else ("x", "y"),
            fixed=WHOLE if class_name == "TrueDivide" else {},
            neutral={"incompatible_shape_error": True},
        )
        for class_name, names in OF_TWO.items()
        for name in names
    },
    **{name: Operation(kind) for kind, names in OF_ONE.items() for name in names},
    **{
        name: Operation(kind, options=REDUCED, fixed={"axis": None, "keepdims": False})
        for kind, name in REDUCTIONS.items()
    },
    "cast": Operation("Cast", options={"dtype": "dtype"}),
    "clip_by_value": Operation(
        "Clip", options={"clip_value_min": "x_min", "clip_value_max": "x_max"}
    ),
    "compat.v1.squeeze": Operation("Squeeze", options=AXIS, fixed={"axis": None}),
    "compat.v1.transpose": TRANSPOSE,
    "concat": Operation("Concatenate", ("values",), takes_list=True, options=AXIS),
    "expand_dims": Operation("ExpandDims", options=AXIS),
    "linalg.matmul": Operation(
        "Matmul",
        ("a", "b"),
        options={"transpose_a": "transpose_a", "transpose_b": "transpose_b"},
        neutral={
            "adjoint_a": False,
            "adjoint_b": False,
            "a_is_sparse": False,
            "b_is_sparse": False,
            "output_type": None,
        },
    ),
    "nn.gelu": Operation(
        "Gelu", options={"approximate": "approximate"}, fixed={"approximate": False}
    ),
    "nn.leaky_relu": Operation(
        "LeakyRelu",
        options={"alpha": "negative_slope"},
        fixed={"negative_slope": 0.2},
    ),
    "nn.log_softmax": Operation("LogSoftmax", options=AXIS, fixed={"axis": -1}),
    "nn.silu": Operation("Silu", neutral={"beta": 1.0}),
    "nn.softmax": Operation("Softmax", options=AXIS, fixed={"axis": -1}),
    "ones_like": Operation("OnesLike", options={"dtype": "dtype"}),
    "reshape": Operation(
        "Reshape", options={"shape": "newshape"}, sizes=frozenset({"newshape"})
    ),
    "split": Operation(
        "Split",
        options={**AXIS, "num_or_size_splits": "sizes"},
        fixed={"axis": 0},
        neutral={"num": None},
    ),
    "squeeze": Operation("Squeeze", options=AXIS, fixed={"axis": None}),
    "stack": Operation(
        "Stack", ("values",), takes_list=True, options=AXIS, fixed={"axis": 0}
    ),
    "transpose": TRANSPOSE,
    "unstack": Operation("Unstack", options={**AXIS, "num": "num"}, fixed={"axis": 0}),
    "where": Operation("Where", ("condition", "x", "y")),
    "zeros_like": Operation("ZerosLike", options={"dtype": "dtype"}),
}
FUNCTIONS["nn.swish"] = FUNCTIONS["nn.silu"]
INT64 = {"output_type": "int64"}
SHAPE = frozenset({"shape"})
EXTREME = {**AXIS, "output_type": "output_type"}
GATHER = Operation(
    "Gather",
    ("params", "indices"),
    options={**AXIS, "batch_dims": "batch_dims"},
    fixed={"axis": None, "batch_dims": 0},
    neutral={"validate_indices": None},
)
NORM = Operation(
    "Norm",
    options={"ord": "ord", **REDUCED},
    fixed={"axis": None},
    neutral={"keep_dims": None},
)
PAD = Operation(
    "Pad",
    options={
        "paddings": "pad_width",
        "mode": "mode",
        "constant_values": "constant_values",
    },
)
SIZE = Operation("Shape", options={"out_type": "out_type"})
# Operations that move, pick, order and sum elements, and those of computed shapes.
FUNCTIONS.update(
    {
        "argsort": Operation(
            "Argsort",
            options={**AXIS, "direction": "direction"},
            ignored=frozenset({"name", "stable"}),
        ),
        "broadcast_to": Operation(
            "BroadcastTo", options={"shape": "shape"}, sizes=SHAPE
        ),
        "compat.v1.gather": GATHER,
        "compat.v1.norm": NORM,
        "compat.v1.pad": PAD,
        "compat.v1.shape": SIZE,
        "einsum": Operation("Einsum"),
        "fill": Operation(
            "FullOf", options={"value": "value"}, sizes=SHAPE, first="shape"
        ),
        "gather": GATHER,
        "linalg.band_part": Operation(
            "BandPart", options={"num_lower": "num_lower", "num_upper": "num_upper"}
        ),
        "math.add_n": Operation("AddN", ("inputs",), takes_list=True),
        "math.argmax": Operation("Argmax", options=EXTREME, fixed={"axis": 0, **INT64}),
        "math.argmin": Operation("Argmin", options=EXTREME, fixed={"axis": 0, **INT64}),
        **{
            f"math.{name.lower()}": Operation(
                name,
                options={**AXIS, "exclusive": "exclusive", "reverse": "reverse"},
                fixed={"axis": 0},
            )
            for name in ("Cumprod", "Cumsum")
        },
        "math.l2_normalize": Operation(
            "L2Normalize",
            options={**AXIS, "epsilon": "epsilon"},
            fixed={"axis": None},
            neutral={"dim": None},
        ),
        "math.top_k": Operation(
            "TopK", options={"k": "k", "sorted": "sorted", "index_type": "index_type"}
        ),
        "norm": NORM,
        "one_hot": Operation(
            "OneHot",
            options={
                **AXIS,
                "depth": "num_classes",
                "on_value": "on_value",
                "off_value": "off_value",
                "dtype": "dtype",
            },
        ),
        "ones": Operation(
            "FullOf",
            options={"dtype": "dtype"},
            fixed={"value": 1.0},
            sizes=SHAPE,
            first="shape",
        ),
        "pad": PAD,
        "range": Operation("Counting", ("start",), neutral={"delta": 1, "dtype": None}),
        "repeat": Operation(
            "Repeat", options={**AXIS, "repeats": "repeats"}, fixed={"axis": None}
        ),
        "reverse": Operation("Flip", options=AXIS),
        "roll": Operation("Roll", options={**AXIS, "shift": "shift"}),
        "shape": SIZE,
        "sort": Operation("Sort", options={**AXIS, "direction": "direction"}),
        "tensordot": Operation("Tensordot", ("a", "b"), options={"axes": "axes"}),
        "tile": Operation(
            "Tile", options={"multiples": "repeats"}, sizes=frozenset({"repeats"})
        ),
        "zeros": Operation(
            "FullOf",
            options={"dtype": "dtype"},
            fixed={"value": 0.0},
            sizes=SHAPE,
            first="shape",
        ),
    }
)

# Nodes without options, which ``keras.ops`` calls by the same name.
SAME_NAMES = (
    "Ceil Cos Cosh Elu Equal Erf Exp Expm1 Floor Greater GreaterEqual Less LessEqual "
    "Log Log1p LogicalAnd LogicalNot LogicalOr Maximum Minimum NotEqual Reciprocal "
    "Relu Relu6 Round Rsqrt Selu Sigmoid Sign Sin Sinh Softplus Softsign Sqrt Square "
    "SquaredDifference StopGradient Tan Tanh ZerosLike"
)
# Nodes without options, with their classes.
PLAIN_NODES = {
    **{name: name for name in SAME_NAMES.split()},
    "Abs": "Absolute",
    "Acos": "Arccos",
    "Acosh": "Arccosh",
    "Add": "Add",
    "AddV2": "Add",
    "Asin": "Arcsin",
    "Asinh": "Arcsinh",
    "Atan": "Arctan",
    "Atan2": "Arctan2",
    "Atanh": "Arctanh",
    "DivNoNan": "DivideNoNan",
    "FloorDiv": "FloorOfQuotient",
    "FloorMod": "Mod",
    "Identity": "StopGradient",
    "IsFinite": "Isfinite",
    "IsInf": "Isinf",
    "IsNan": "Isnan",
    "Mul": "Multiply",
    "Neg": "Negative",
    "Pow": "Power",
    "RealDiv": "TrueDivide",
    "Rint": "Round",
    "Select": "Where",
    "SelectV2": "Where",
    "Sub": "Subtract",
}
ADJOINTS = {"adj_x": "transpose_a", "adj_y": "transpose_b"}
NODES: dict[str, Operation] = {
    **{name: Operation(class_name) for name, class_name in PLAIN_NODES.items()},
    **{
        name: Operation(name, positions={1: "axis"}, options={"keep_dims": "keepdims"})
        for name in ("All", "Any", "Max", "Mean", "Min", "Prod", "Sum")
    },
    "BatchMatMul": Operation("Matmul", options=ADJOINTS),
    "BatchMatMulV2": Operation("Matmul", options=ADJOINTS),
    "Cast": Operation("Cast", options={"DstT": "dtype"}),
    "ConcatV2": Operation("Concatenate", positions={-1: "axis"}),
    "ExpandDims": Operation("ExpandDims", positions={1: "axis"}),
    "LeakyRelu": Operation(
        "LeakyRelu", options={"alpha": "negative_slope"}, fixed={"negative_slope": 0.2}
    ),
    # LogSoftmax and Softmax always work over the last axis.
    "LogSoftmax": Operation("LogSoftmax", fixed={"axis": -1}),
    "Pack": Operation("Stack", options=AXIS, fixed={"axis": 0}),
    "Reshape": Operation(
        "Reshape", positions={1: "newshape"}, sizes=frozenset({"newshape"})
    ),
    "Softmax": Operation("Softmax", fixed={"axis": -1}),
    "Split": Operation("Split", positions={0: "axis"}, options={"num_split": "sizes"}),
    "SplitV": Operation("Split", positions={1: "sizes", 2: "axis"}),
    "Squeeze": Operation(
        "Squeeze", options={"squeeze_dims": "axis"}, fixed={"axis": None}
    ),
    "Transpose": Operation("Transpose", positions={1: "axes"}),
    "Unpack": Operation("Unstack", options={**AXIS, "num": "num"}, fixed={"axis": 0}),
}
NODES.update(
    {
        "AddN": Operation("AddN"),
        **{
            name: Operation(
                name.capitalize(),
                positions={1: "axis"},
                options={"output_type": "output_type"},
                fixed=INT64,
            )
            for name in ("ArgMax", "ArgMin")
        },
        "BroadcastTo": Operation("BroadcastTo", positions={1: "shape"}, sizes=SHAPE),
        **{
            name: Operation(
                name,
                positions={1: "axis"},
                options={"exclusive": "exclusive", "reverse": "reverse"},
            )
            for name in ("Cumprod", "Cumsum")
        },
        "Fill": Operation("FullOf", positions={0: "shape", 1: "value"}, sizes=SHAPE),
        "GatherV2": Operation(
            "Gather",
            positions={2: "axis"},
            options={"batch_dims": "batch_dims"},
            fixed={"batch_dims": 0},
        ),
        "MatrixBandPart": Operation(
            "BandPart", positions={1: "num_lower", 2: "num_upper"}
        ),
        "OneHot": Operation(
            "OneHot",
            positions={1: "num_classes", 2: "on_value", 3: "off_value"},
            options={**AXIS, "T": "dtype"},
        ),
        "Pad": Operation("Pad", positions={1: "pad_width"}),
        "PadV2": Operation("Pad", positions={1: "pad_width", 2: "constant_values"}),
        "ReverseV2": Operation("Flip", positions={1: "axis"}),
        "Roll": Operation("Roll", positions={1: "shift", 2: "axis"}),
        "Shape": Operation("Shape", options={"out_type": "out_type"}),
        "Tile": Operation(
            "Tile", positions={1: "repeats"}, sizes=frozenset({"repeats"})
        ),
        "TopKV2": Operation("TopK", positions={1: "k"}, options={"sorted": "sorted"}),
    }
)
