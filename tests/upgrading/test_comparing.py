"""Two graphs of one model are compared by what their nodes mean."""

import pytest

from gru2np.graph.flatten import build
from gru2np.graph.prune import needed
from gru2np.upgrading import target
from gru2np.upgrading.comparing import AttributeDiffers, Comparison, TensorDiffers
from upgraded_files import converted


def differences(case):
    """What a model means otherwise in Keras 3, before anything is rewritten."""
    with converted(case) as conversion:
        built = conversion.built
        after = needed(
            build(conversion.model, target.meaning(), conversion.specs).graph
        )
        paths = {path: path for path in built.titles}
        return list(Comparison(built.graph, after, paths, paths).differences())


def test_a_model_of_keras_3_means_the_same():
    assert differences("keras-3.15/gru") == []


def test_another_attribute_is_found_with_both_values():
    slopes = [{"function": "hard_sigmoid", "slope": x} for x in (0.2, 1 / 6)]
    (found,) = differences("keras-2.2/gru")
    assert found == AttributeDiffers("gru_1", "gru_1", "recurrent_activation", *slopes)


def test_an_attribute_of_a_layer_inside_is_found():
    found = differences("keras-2.2/bidirectional")
    assert found
    assert all(isinstance(one, AttributeDiffers) for one in found)
    assert any(one.path.endswith("/backward_layer") for one in found)


@pytest.mark.parametrize("keras", ["keras-2.2", "tf-2.4"])
def test_another_mask_is_found(keras):
    merges = differences(f"{keras}/mask_merges_two")
    found = [one for one in merges if isinstance(one, TensorDiffers)]
    assert any(one.mask and one.before != one.after for one in found)


def test_a_mask_too_many_is_found():
    """Merges of Keras 1 drop the masks that those of Keras 3 keep."""
    found = [one for one in differences("keras-1.2/mask_merges") if one.path]
    tensors = [one for one in found if isinstance(one, TensorDiffers)]
    assert tensors
    assert any(not one.mask for one in tensors)
