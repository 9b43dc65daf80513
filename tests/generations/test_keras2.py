"""Keras 2: what its releases meant."""

from __future__ import annotations

from meanings import meaning_of


def test_heads_looked_at_no_masks_before_tensorflow_2_10():
    assert not meaning_of("tf.keras", "2.9.3").attention.heads_use_masks
    assert meaning_of("tf.keras", "2.10.1").attention.heads_use_masks
