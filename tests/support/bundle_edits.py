"""Bundles again, with another manifest or other members."""

import io

from gru2np_runtime.bundle.container import (
    MANIFEST,
    Writer,
    encode_manifest,
    read_members,
)


def written(bundle, manifest=None, *, drop=(), more=(), text=None):
    """The bundle again, its members changed, written by the rules."""
    out = io.BytesIO()
    writer = Writer(out)
    members = read_members(bundle)
    last = members.pop(MANIFEST)
    for name, data in members.items():
        if name not in drop:
            writer.add(name, data)
    for name, data in more:
        writer.add(name, data)
    if text is None:
        text = bytes(last) if manifest is None else encode_manifest(manifest)
    writer.add(MANIFEST, text)
    writer.close()
    return out.getvalue()


def first_layer(manifest):
    return next(iter(manifest["graph"]["layers"].values()))
