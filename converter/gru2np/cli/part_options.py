"""The options that name a part of a model."""

from __future__ import annotations

import click

OUTPUTS = click.option(
    "--outputs",
    "part_outputs",
    metavar="NAMES",
    multiple=True,
    help="Convert the part of the model that gives these tensors: dense,lstm:1. NAME "
    "is a layer, as inspect shows it, and its first output; NAME:1 is its second "
    "output, NAME#1 its second call, NAME:mask its mask.",
)
INPUTS = click.option(
    "--inputs",
    "part_inputs",
    metavar="NAMES",
    multiple=True,
    help="Leave out the layers before these tensors, which become inputs; named as for "
    "--outputs. If the file states no shape: 'NAME=(None,20):int32'. If it is unknown "
    "whether one carries a mask: NAME:mask or NAME:unmasked.",
)
