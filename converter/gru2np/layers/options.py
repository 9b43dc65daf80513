"""Options of layers that do not change outputs, and the reasons to refuse others."""

from __future__ import annotations

from gru2np.generations.quantization import MODE, POLICIES, policy_of
from gru2np.generations.training import TRAINING

# Options that do not change the outputs of inference, with the reason.
HARMLESS = {
    **TRAINING,
    "autocast": "Keras casts inputs as this project does",
    "batch_shape": "read by the model's input",
    "implementation": "another way to compute the same",
    "input_dtype": "read by the model's input",
    "input_length": "a hint of a shape",
    "name": "read by the graph",
    MODE: "its weights have been dequantised, or its option inputs_quantizer is read",
    "use_cudnn": "another way to compute the same",
}
# Options that change nothing if they have one of these values.
NEUTRAL: dict[str, tuple[object, ...]] = {
    "lora_rank": (None,),
    "lora_alpha": (None,),
    "quantization_config": (None,),
    "ragged_input": (False,),
    "sparse": (False,),
    "virtual_batch_size": (None,),
    "adjustment": (None,),
    "fused": (None, True, False),
}

# Reasons to refuse an option.
UNKNOWN = "an option that this version does not know, so it may change outputs"
_ADAPTED = (
    "this file stores adapters (LoRA) separately from the kernels; save the model as "
    ".keras"
)
_BEFORE = "save the model before quantize()"
_BYTES = (
    "Keras since 3.14 leaves a part of its weights out of the file, and cannot load "
    "it; save the model as .h5"
)
_MODES = {
    "awq": f"quantised by AWQ: {_BYTES}",
    "float8": "quantised to float8, which this version does not compute",
    "gptq": f"quantised by GPTQ: {_BYTES}",
}


def quantisation(dtype: object) -> str:
    """Why a quantised dtype policy is refused; empty for other values."""
    policy = policy_of(dtype)
    if policy is not None:
        unknown = f"quantised to {policy.mode} in a way that this version does not know"
        return f"{_MODES.get(policy.mode, unknown)}; {_BEFORE}"
    kind = dtype.get("class_name") if isinstance(dtype, dict) else None
    if kind == "DTypePolicyMap":
        return f"the layers inside it have dtype policies of their own; {_BEFORE}"
    return f"a quantised dtype policy; {_BEFORE}" if kind in POLICIES else ""


REASONS = {"lora_rank": _ADAPTED, "lora_alpha": _ADAPTED}
