"""Options of layers that change no number, and what is said of those that do."""

from __future__ import annotations

from gru2np.generations.training import TRAINING

# Options that change no number of a forward pass, with the reason.
HARMLESS = {
    **TRAINING,
    "autocast": "Keras casts inputs as this project does",
    "batch_shape": "read by the model's input",
    "implementation": "another way to the same numbers",
    "input_dtype": "read by the model's input",
    "input_length": "a hint of a shape",
    "name": "read by the graph",
    "use_cudnn": "another way to the same numbers",
}
# Options that change nothing as long as they have this value.
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


# What to say of an option that is refused, where there is more to say.
UNKNOWN = "an option this version does not know, so it may change numbers"
_ADAPTED = "adapters (LoRA) stand apart from their kernels here; save it as .keras"
QUANTISED = ("Quantized", "Int", "Float8")
REASONS = {"lora_rank": _ADAPTED, "lora_alpha": _ADAPTED}
