"""Why a difference between an old Keras and Keras 3 cannot be made up for, in words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gru2np.inspection.choices import HARD_SIGMOID, MASKED_OUTPUT

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from gru2np.upgrading.comparing import AttributeDiffers

NO_OTHER = "and nothing that Keras 3 has gives these numbers"


def reason(found: AttributeDiffers) -> str:
    """One sentence: what the model does, what Keras 3 does, and that this is all."""
    words = WORDS.get(found.attribute)
    pair = found.before, found.after
    if words is None:
        name = found.attribute.replace("_", " ")
        return f"{name} is {_shown(pair[0])}, in Keras 3 {_shown(pair[1])}, {NO_OTHER}"
    if callable(words):
        return words(*pair)
    old, new = (words.get(value, _shown(value)) for value in pair)
    return f"{old}; in Keras 3, {new}, {NO_OTHER}"


def _shown(value: Any) -> str:
    return "missing" if value is None else str(value)


def _activation(before: Any, after: Any) -> str:
    if not _is_hard_sigmoid(before) or not _is_hard_sigmoid(after):
        return f"its activation is {before}, in Keras 3 {after}, {NO_OTHER}"
    sentence = HARD_SIGMOID.get(before["slope"], "hard_sigmoid has another slope")
    return (
        f"{sentence}. Only weights that stand directly before it could make up for "
        "that, and here it is applied to something else too"
    )


def _is_hard_sigmoid(value: Any) -> bool:
    return isinstance(value, dict) and value.get("function") == "hard_sigmoid"


def _masked_output(before: str, after: str) -> str:
    text = f"{MASKED_OUTPUT[before]}; in Keras 3, {MASKED_OUTPUT[after]}, {NO_OTHER}"
    if before == "state":
        text += (
            ". The two are equal where the states begin with zero; here the layer is "
            "stateful or is called with initial states"
        )
    return text


def _windows(before: Any, after: Any) -> str:
    return (
        "its windows begin elsewhere than in Keras 3, as padding same of Theano has "
        f"them (steps before the first one: {_steps(before)}; in Keras 3: "
        f"{_steps(after) or 'half of the padding'}), {NO_OTHER}"
    )


def _steps(value: Any) -> str:
    return ", ".join(map(str, value or ()))


# By attribute of the runtime's layers: phrases for its values, or a function of both.
WORDS: Mapping[str, Mapping[Any, str] | Callable[[Any, Any], str]] = {
    "activation": _activation,
    "before": _windows,
    "counts_padding": {
        True: "the mean of a window counts zeros of the padding",
        False: "it does not count them",
    },
    "dtype": lambda before, after: (
        f"it computes in {before}, in Keras 3 in {after}, {NO_OTHER}"
    ),
    "function": _activation,
    "least_norm": lambda before, after: (
        f"it divides by a norm of at least {before:g}, in Keras 3 of at least "
        f"{after:g}, {NO_OTHER}"
    ),
    "leaves_out": {
        True: "integers that are too large give zeros",
        False: "integers that are too large are an error",
    },
    "masked_output": _masked_output,
    "masked_scores": {
        "added": "a masked score is lowered by a large number",
        "replaced": "a masked score is replaced by a very low number",
        "zeroed": "a masked score is replaced by a very low number, and where all "
        "scores are masked the result is zero",
    },
    "number": lambda before, after: (
        f"it gives {before}, in Keras 3 {after}, {NO_OTHER}"
    ),
    "recurrent_activation": _activation,
    "recurrent_before": _windows,
    "reverse_state_order": {
        True: "the states of its last cell come first",
        False: "the states of its first cell come first",
    },
    "signs_zeros": {
        True: "it takes -0.0 for less than 0.0",
        False: "it takes -0.0 and 0.0 for equal",
    },
    "skips_nan": {True: "it passes over NaN", False: "it gives the place of a NaN"},
    "whole": {True: "its vectors are integers", False: "its vectors are floats"},
}
