"""Custom layers: a class for each, passed by name to ``export`` and to ``load``.

The file of Keras holds the names of the classes, not their code.  No code of the file
is run.
"""

import io
from pathlib import Path

import numpy as np

import gru2np
from gru2np_runtime import Layer, load

CASE = Path(__file__).parent.parent / "fixtures" / "keras-3.15" / "custom_layers"


class AttentionByHand(Layer):
    """A weighted mean over the valid steps; options as ``get_config`` wrote them."""

    uses_mask = True  # forward gets the mask of the input
    width: int
    sharpness: float = 1.0

    def weight_shapes(self, *shapes):
        """In the order of ``add_weight``."""
        return {
            "W": (shapes[0][-1], self.width),
            "b": (self.width,),
            "u": (self.width, 1),
        }

    def output_shapes(self, *shapes):
        """(batch, features)."""
        return ((shapes[0][0], shapes[0][-1]),)

    def forward(self, weights, *inputs, mask=None):
        """x: (batch, time, features)."""
        x = inputs[0]
        scores = (
            np.tanh(x @ weights["W"] + weights["b"]) @ weights["u"] * self.sharpness
        )
        if mask is not None:
            scores = np.where(mask[..., None], scores, np.float32(-1e9))
        shares = np.exp(scores - scores.max(axis=1, keepdims=True))
        return (shares / shares.sum(axis=1, keepdims=True) * x).sum(axis=1)


class MixtureHead(Layer):
    """Three Dense layers in parallel; their weights have the prefix ``name/``."""

    supports_masking = True  # its output has the mask of its input
    mixtures: int
    outputs: int

    def weight_shapes(self, *shapes):
        """Named by the attributes that hold the layers, in their order."""
        several = self.mixtures * self.outputs
        sizes = {"means": several, "deviations": several, "shares": self.mixtures}
        named = {}
        for name, size in sizes.items():
            named[f"{name}/kernel"] = (shapes[0][-1], size)
            named[f"{name}/bias"] = (size,)
        return named

    def output_shapes(self, *shapes):
        """(batch, ..., means, deviations and shares)."""
        return ((*shapes[0][:-1], (2 * self.outputs + 1) * self.mixtures),)

    def forward(self, weights, *inputs, mask=None):
        """x: (batch, ..., features)."""
        means, deviations, shares = (
            inputs[0] @ weights[f"{name}/kernel"] + weights[f"{name}/bias"]
            for name in ("means", "deviations", "shares")
        )
        return np.concatenate([means, np.exp(deviations), shares], axis=-1)


CUSTOM = {"AttentionByHand": AttentionByHand, "MixtureHead": MixtureHead}


def main():
    """Export and run a model with both layers, and compare with Keras."""
    bundle = io.BytesIO()
    gru2np.export(CASE / "model.keras", bundle, custom_objects=CUSTOM)
    model = load(bundle.getvalue(), custom_objects=CUSTOM)
    model.summary()
    with np.load(CASE / "io.npz") as recorded:
        outputs = model.predict(recorded["call0.x0"])
        keras = [recorded["call0.y0"], recorded["call0.y1"]]
    differences = [
        float(np.abs(y - k).max()) for y, k in zip(outputs, keras, strict=True)
    ]
    print(f"largest difference from Keras 3.15.1: {max(differences):.1e}")
    return max(differences)


if __name__ == "__main__":
    main()
