"""Options of layers that do not change outputs, and the reasons to refuse others."""

from __future__ import annotations

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
QUANTISED = ("Quantized", "Int", "Float8")
REASONS = {"lora_rank": _ADAPTED, "lora_alpha": _ADAPTED}
