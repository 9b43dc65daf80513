"""Architectures damaged at random, through every stage that a file goes through.

``fuzz`` is what a search calls: everything it does hangs on the case and the seed.
"""

from __future__ import annotations

import io
import json
import random
import re
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import goldens
import gru2np
import gru2np_runtime
from gru2np.bundle import write
from gru2np.convert import converted
from gru2np.generations import generation_of, interpret
from gru2np.graph.parts import part_of
from gru2np.inspection.inspect import of_conversion, of_model
from gru2np.ir import GroupStore
from gru2np.layers import LAYERS
from gru2np.readers import open_model
from gru2np.readers.safe.json_text import architecture
from gru2np.verification import plain_config
from gru2np.verification.installed_keras import READERS
from json_sweep import changes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from gru2np.inspection.inspect import Report
    from gru2np.ir import RawModel

    # A container of the architecture, with one of its keys.
    Place = tuple[Any, Any]

# How many damaged architectures one seed makes of a case.
EACH = 5

VALUES = [
    *(None, True, False, 0, 1, -1, 2, 3, 2**31, 10**30, 10**400),
    *(0.0, 0.5, 1.5, -2.5, 1e39, 1e308, float("nan"), float("inf"), -float("inf")),
    *("", "x", "nan", "None", "1", "a/b", "a#1", "..", "é\u202e", "x" * 300),
    *("../../etc/passwd", "os", "tanh", "float16", "int32", "string", "same"),
    *([], {}, [None], [0], [1], [-1], [[0]], [[]], [{}], ["x"], [[["x"]]], [1, 2]),
    *([1, 2, 3], [1, "x"], [1, [2]], [None, None, 3], [2.5, 1], [True]),
    *({"a": 1}, {"class_name": None}, {"class_name": []}, {"class_name": {}}),
    *({"class_name": "os.system", "config": "id"}, {"config": None}),
    *({"class_name": "Functional", "config": {}}, {"class_name": "function"}),
    *(
        {"class_name": "function", "config": []},
        {"class_name": "function", "config": {}},
    ),
    *({"class_name": "ReLU", "config": {"max_value": []}}, {"class_name": "ELU"}),
    *({"class_name": "__tensor__", "config": {"value": [1, [2]], "dtype": []}},),
    *({"class_name": "__numpy__", "config": {"value": 10**400}},),
    *({"class_name": "__tuple__", "items": [{}]}, {"class_name": "TensorShape"}),
    *({"class_name": "__slice__", "config": []}, {"class_name": "__ellipsis__"}),
    *({"class_name": "__keras_tensor__", "config": {}},),
]
# What has stood where a number type stands, whole and in pieces.
DTYPES = [
    *(None, "float64", "bfloat16", "mixed_float16", "int64", "[]", "complex64", []),
    *({}, {"class_name": "DTypePolicy"}, {"class_name": "DTypePolicy", "config": []}),
    *({"class_name": "DTypePolicy", "config": {"name": []}},),
    *({"class_name": "DTypePolicy", "config": {"name": "float64"}},),
    *({"class_name": "Policy", "config": {"name": "mixed_float16"}},),
    *({"class_name": ["Policy"], "config": {"name": "float32"}},),
    *({"class_name": "QuantizedDTypePolicy", "config": {"mode": "int8"}},),
    *({"name": "float32"}, ["float32"], 32, True),
]
IDLE = re.compile(r"_(initializer|regularizer|constraint)|build_config|shared_object")
# What may follow the name of a layer, where a part is named.
AFTER_NAMES = ["", "", "", ":1", "#0", "#1", ":mask"]
# Where tensors are named.
WIRING = ("inbound_nodes", "input_layers", "output_layers")
CLASSES = sorted({name.removeprefix("ops.") for name in LAYERS})
CLASSES += ["Sequential", "Functional", "Model", "InputLayer", "CuDNNGRU", "Lambda"]
CLASSES += ["TFOpLambda", "SlicingOpLambda", "TensorFlowOpLayer", "Nobody>GRU", ""]
VERSIONS = [None, "1.0.0", "1.2.2", "2.0.8", "2.2.4-tf", "2.4.0", "3.0.0", "3.15.0"]
VERSIONS += ["", "x", "4.0.0", "2", "999.999.999"]
BACKENDS = [None, "tensorflow", "theano", "cntk", "jax", "torch", "", "mxnet"]


@dataclass(frozen=True)
class Damage:
    """A damaged model, and what was done to it in words."""

    raw: RawModel
    words: str


def fuzz(case: Path, seed: int, count: int = EACH) -> None:
    """Damage the architecture of a case in several ways; only our errors may come.

    What is taken all the same must give a bundle that the runtime takes.

    Args:
        case: a folder of the fixtures.
        seed: everything that is drawn hangs on it and on the case's name.
        count: how many damaged architectures.

    Raises:
        AssertionError: something else came; says how to draw it again.
    """
    for damage in damages(case, seed, count):
        error = escape(damage.raw)
        if error is not None:
            name = f"{case.parent.name}/{case.name}"
            raise AssertionError(
                f"fuzz({name}, {seed}, {count}): {damage.words}: {error!r}"
            ) from error


def sweep(case: Path, part: int, parts: int) -> int:
    """Replace and remove each value of a case's architecture; as ``fuzz``.

    Args:
        case: a folder of the fixtures.
        part: which of the parts, from 0.
        parts: all of them together are every change.

    Returns:
        The number of changes.
    """
    count = 0
    with ExitStack() as stack:
        try:
            raw = stack.enter_context(open_model(*goldens.Golden(case).files()))
        except gru2np.ModelFileError:
            return 0
        config = json.loads(json.dumps(raw.config))
        for words in changes(config, part, parts):
            error = escape(replace(raw, config=config))
            if error is not None:
                name = f"{case.parent.name}/{case.name}"
                raise AssertionError(
                    f"sweep({name}, {part}, {parts}): {words}: {error!r}"
                ) from error
            count += 1
    return count


def fuzz_parts(case: Path, seed: int, count: int = EACH) -> int:
    """Cut parts out of damaged models; only our errors may come.  How many were cut.

    Raises:
        AssertionError: something else came; says how to draw it again.
    """
    rng, done = random.Random(seed), 0
    for damage in damages(case, seed, count):
        try:
            model, readings = interpret(damage.raw)
        except gru2np.Gru2npError:
            continue
        names = [layer.name for layer in model.layers]
        for _ in range(EACH):
            name, other = (rng.choice(names) + rng.choice(AFTER_NAMES) for _ in "ab")
            shape = rng.choice(["", "", "=(None,None,4)", "=(None,4):int32"])
            part = part_of(rng.choice([None, name]), other + shape)
            try:
                converted(damage.raw, model, readings, None, part)
            except gru2np.Gru2npError:
                continue
            except Exception as error:
                said = f"fuzz_parts({case.name}, {seed}, {count}): {damage.words}"
                raise AssertionError(f"{said}: {part}: {error!r}") from error
            done += 1
    return done


def damages(case: Path, seed: int, count: int = EACH) -> Iterator[Damage]:
    """Damaged models of a case, the same for the same seed; open while one looks."""
    rng = random.Random(f"{case.parent.name}/{case.name} {seed}")
    with ExitStack() as stack:
        try:
            raw = stack.enter_context(open_model(*goldens.Golden(case).files()))
        except gru2np.ModelFileError:
            return  # refused as a file; there is no architecture to damage
        text = json.dumps(raw.config)
        for _ in range(count):
            config = json.loads(text)
            words = [damage(config, rng) for _ in range(rng.choice((1, 1, 1, 2)))]
            changed, more = replace(raw, config=config), []
            if rng.random() < 0.1:
                changed, said = _elsewhere(changed, rng)
                more = [said]
            yield Damage(changed, "; ".join([*words, *more]))


def escape(raw: RawModel) -> Exception | None:
    """The error that is none of ours, if converting or inspecting a model ends so."""
    try:
        check(raw)
    except gru2np.Gru2npError:
        return None
    except Exception as error:
        return error
    return None


def check(raw: RawModel) -> Report:
    """Convert and inspect a model; what is taken must give a bundle that loads.

    Returns:
        What inspect says of it.

    Raises:
        Gru2npError: it is refused.
        AssertionError: the runtime refuses its bundle.
    """
    # As a reader would read it.
    config = architecture(json.dumps(raw.config).encode(), raw.file_name)
    raw = replace(raw, config=config)
    conversion = None
    try:
        conversion = converted(raw, *interpret(raw))
        report, _ = of_conversion(conversion, raw.file_name, 0)
    except gru2np.UnsupportedModelError:
        # Then inspect says what it can.
        report, _ = of_model(raw, raw.file_name, 0, None)
        assert not report.convertible
    assert str(report)
    json.dumps(report.as_dict())
    if conversion is None:
        return report
    memory = io.BytesIO()
    write(conversion, memory)
    try:
        gru2np_runtime.load(memory.getvalue())
    except gru2np.Gru2npError as error:
        raise AssertionError(f"the runtime refuses the bundle: {error}") from error
    # What verify reads of it before Keras is run.
    generation = generation_of(raw)
    if generation in READERS:
        plain_config.foreign(raw.config)
        plain_config.plain(conversion, keras2=generation == 2)
    return report


def damage(config: dict[str, Any], rng: random.Random) -> str:
    """Damage an architecture in place; what was done, in words."""
    every = list(_places(config, "$"))
    if rng.random() < 0.8:
        # Half of an architecture is what decides no number, and may be anything.
        every = [one for one in every if not IDLE.search(one[1])] or every
    kinds: list[Callable[..., str | None]] = [
        *(_replace, _replace, _replace, _remove, _rename, _length, _order),
        *(_repeat, _class, _wiring, _wiring, _dtype, _transplant),
        *(_emptied, _twice, _no_name),
    ]
    while True:
        said = rng.choice(kinds)(every, rng)
        if said is not None:
            return said


def _places(value: Any, at: str) -> Iterator[tuple[Place, str]]:
    """Every container with each of its keys, and the path there."""
    keys = value if isinstance(value, dict) else range(len(value))
    for key in keys:
        path = f"{at}.{key}" if isinstance(value, dict) else f"{at}[{key}]"
        yield (value, key), path
        if isinstance(value[key], (dict, list)):
            yield from _places(value[key], path)


Every = list[tuple["Place", str]]


def _replace(every: Every, rng: random.Random) -> str:
    (container, key), path = rng.choice(every)
    return _put(container, key, path, rng.choice(VALUES))


def _put(container: Any, key: Any, path: str, value: Any) -> str:
    # Of its own, so that damage done later is done in one place.
    container[key] = json.loads(json.dumps(value))
    shown = repr(value)
    return f"{path} = {shown if len(shown) < 200 else shown[:200] + '...'}"


def _remove(every: Every, rng: random.Random) -> str | None:
    (container, key), path = rng.choice(every)
    if not isinstance(container, dict):
        return None
    del container[key]
    return f"{path} removed"


def _rename(every: Every, rng: random.Random) -> str | None:
    (container, key), path = rng.choice(every)
    if not isinstance(container, dict):
        return None
    keys = [key for (other, key), _ in every if isinstance(other, dict)]
    name = rng.choice([f"{key}_", "", rng.choice(keys), rng.choice(keys)])
    container[name] = container.pop(key)
    return f"{path} renamed to {name!r}"


def _lists(every: Every, rng: random.Random) -> tuple[list[Any], str] | None:
    found = [(c[k], path) for (c, k), path in every if isinstance(c[k], list)]
    return rng.choice(found) if found else None


def _length(every: Every, rng: random.Random) -> str | None:
    found = _lists(every, rng)
    if found is None:
        return None
    items, path = found
    if items and rng.random() < 0.6:
        del items[rng.randrange(len(items))]
        return f"{path}: an item fewer"
    value = rng.choice([*VALUES, *items])
    items.insert(rng.randrange(len(items) + 1), json.loads(json.dumps(value)))
    return f"{path}: an item more: {str(value)[:200]}"


def _order(every: Every, rng: random.Random) -> str | None:
    found = _lists(every, rng)
    if found is None:
        return None
    rng.shuffle(found[0])
    return f"{found[1]} shuffled"


def _repeat(every: Every, rng: random.Random) -> str | None:
    """A layer's record once more, by its own name or by another."""
    records = [
        (c, k, path)
        for (c, k), path in every
        if isinstance(c, list) and isinstance(c[k], dict) and "class_name" in c[k]
    ]
    if not records:
        return None
    items, index, path = rng.choice(records)
    copy = json.loads(json.dumps(items[index]))
    renamed = rng.random() < 0.5
    if renamed:
        copy["name"] = "another"
        if isinstance(copy.get("config"), dict):
            copy["config"]["name"] = "another"
    items.insert(rng.randrange(len(items) + 1), copy)
    return f"{path} repeated{' by another name' if renamed else ''}"


def _class(every: Every, rng: random.Random) -> str | None:
    named = [(place, path) for place, path in every if place[1] == "class_name"]
    (container, key), path = rng.choice(named or every)
    own = [c[k] for (c, k), _ in named]
    return _put(container, key, path, rng.choice([rng.choice(CLASSES), *own[:20]]))


def _wiring(every: Every, rng: random.Random) -> str | None:
    """A value changed where tensors are named."""
    inside = [one for one in every if any(key in one[1] for key in WIRING)]
    if not inside:
        return None
    (container, key), path = rng.choice(inside)
    known = [c[k] for (c, k), _ in inside]
    names = [c[k] for (c, k), _ in every if k == "name"]
    choices = [rng.choice(known), rng.choice(VALUES), rng.choice([0, 1, 2, 7])]
    choices += [rng.choice(names)] if names else []
    return _put(container, key, path, rng.choice(choices))


def _emptied(every: Every, rng: random.Random) -> str | None:
    """A list or an object emptied where tensors are named: calls without tensors."""
    found = [
        (c[k], path)
        for (c, k), path in every
        if any(key in path for key in WIRING)
        and c[k]
        and isinstance(c[k], (dict, list))
    ]
    if not found:
        return None
    container, path = rng.choice(found)
    container.clear()
    return f"{path} emptied"


def _twice(every: Every, rng: random.Random) -> str | None:
    """Two of one name: inputs, outputs or layers that the file tells apart."""
    names = [(c, k, path) for (c, k), path in every if k == "name"]
    lists = [
        (c[k], path)
        for (c, k), path in every
        if k in ("input_layers", "output_layers") and isinstance(c[k], list) and c[k]
    ]
    if lists and rng.random() < 0.5:
        items, path = rng.choice(lists)
        items.append(json.loads(json.dumps(rng.choice(items))))
        return f"{path}: an item twice"
    if len(names) < 2:
        return None
    (container, key, path), (other, name, _) = rng.sample(names, 2)
    return _put(container, key, path, other[name])


def _no_name(every: Every, rng: random.Random) -> str | None:
    """What is no text where a class is named, at any depth."""
    named = [
        (place, path)
        for place, path in every
        if place[1] in ("class_name", "registered_name", "module")
    ]
    if not named:
        return None
    (container, key), path = rng.choice(named)
    value = rng.choice([value for value in VALUES if not isinstance(value, str)])
    return _put(container, key, path, value)


def _dtype(every: Every, rng: random.Random) -> str | None:
    named = [(place, path) for place, path in every if "dtype" in str(place[1])]
    records = [
        ((c[k], "dtype"), f"{path}.dtype")
        for (c, k), path in every
        if k == "config" and isinstance(c[k], dict)
    ]
    if not (named or records):
        return None
    (container, key), path = rng.choice(named or records)
    return _put(container, key, path, rng.choice(DTYPES))


def _transplant(every: Every, rng: random.Random) -> str:
    """A value of the architecture in the place of another."""
    (source, name), where = rng.choice(every)
    (container, key), path = rng.choice(every)
    value = source[name]
    if len(json.dumps(value)) > 20_000:
        value = None
    return f"{_put(container, key, path, value)}, which is {where}"


def _elsewhere(raw: RawModel, rng: random.Random) -> tuple[RawModel, str]:
    """Damage beside the architecture: the version, the backend, the weights."""
    kind = rng.choice(("version", "backend", "weights"))
    if kind == "version":
        version = rng.choice(VERSIONS)
        return replace(raw, keras_version=version), f"keras_version = {version!r}"
    if kind == "backend" or raw.groups is None:
        backend = rng.choice(BACKENDS)
        return replace(raw, backend=backend), f"backend = {backend!r}"
    groups = [(name, list(arrays)) for name, arrays in raw.groups.groups]
    for own in rng.sample(groups, min(len(groups), 2)):
        arrays = own[1]
        if not arrays:
            continue
        index = rng.randrange(len(arrays))
        array = arrays.pop(index)
        shapes = [(), (1,), array.shape[::-1], (*array.shape, 1)]
        name = rng.choice([array.name, "", "x", "kernel_1:0", "/", "W_1_2:3"])
        other = replace(array, shape=rng.choice(shapes), name=name)
        arrays[index:index] = rng.choice([[], [array, array], [other]])
    if rng.random() < 0.3:
        rng.shuffle(groups)
    store = GroupStore(tuple((name, tuple(arrays)) for name, arrays in groups))
    return replace(raw, groups=store), "arrays of the weights changed"
