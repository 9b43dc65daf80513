"""Options of layers that change no number, and what is said of those that do."""

from __future__ import annotations

# Options that change no number of a forward pass, with the reason.
HARMLESS = {
    "activity_regularizer": "a term of the loss",
    "alpha_constraint": "acts in training",
    "alpha_initializer": "the trained weights are in the file",
    "alpha_regularizer": "a term of the loss",
    "autocast": "Keras casts inputs as this project does",
    "batch_shape": "read by the model's input",
    "beta_constraint": "acts in training",
    "beta_initializer": "the trained weights are in the file",
    "beta_regularizer": "a term of the loss",
    "bias_constraint": "acts in training",
    "bias_initializer": "the trained weights are in the file",
    "bias_regularizer": "a term of the loss",
    "dropout": "acts in training",
    "embeddings_constraint": "acts in training",
    "embeddings_initializer": "the trained weights are in the file",
    "embeddings_regularizer": "a term of the loss",
    "gamma_constraint": "acts in training",
    "gamma_initializer": "the trained weights are in the file",
    "gamma_regularizer": "a term of the loss",
    "implementation": "another way to the same numbers",
    "input_dtype": "read by the model's input",
    "input_length": "a hint of a shape",
    "kernel_constraint": "acts in training",
    "kernel_initializer": "the trained weights are in the file",
    "kernel_regularizer": "a term of the loss",
    "momentum": "acts in training",
    "moving_mean_initializer": "the trained weights are in the file",
    "moving_variance_initializer": "the trained weights are in the file",
    "name": "read by the graph",
    "recurrent_constraint": "acts in training",
    "recurrent_dropout": "acts in training",
    "recurrent_initializer": "the trained weights are in the file",
    "recurrent_regularizer": "a term of the loss",
    "renorm_clipping": "acts in training",
    "renorm_momentum": "acts in training",
    "seed": "acts in training",
    "synchronized": "acts in training",
    "trainable": "read by the weights' order",
    "unit_forget_bias": "an initial value",
    "use_cudnn": "another way to the same numbers",
}
# Options that change nothing as long as they have this value.
NEUTRAL: dict[str, tuple[object, ...]] = {
    "lora_rank": (None,),
    "lora_alpha": (None,),
    "quantization_config": (None,),
    "ragged_input": (False,),
    "renorm": (False,),
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
