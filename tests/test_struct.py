"""Dataclasses as pytrees: what sets ours apart from flax's, and what they have in common."""

import dataclasses
import inspect
from typing import Literal

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jmeta import struct
from jmeta.inner import InnerLearner
from jmeta.outer import OuterLearner
from jmeta.ranges import Count


def constant(value: float) -> type:
    """A class that differs from the others made here in what a method of it does only."""

    @struct.dataclass
    class Constant:
        weight: float = 1.0
        size: int = struct.field(pytree_node=False, default=1)

        def __call__(self) -> jax.Array:
            return self.weight * jnp.asarray(value)

    return Constant


def test_a_jitted_function_never_takes_one_class_for_another():
    """Of 300 such classes of flax, ``jax.jit`` in JAX 0.10.2 took about 45 for one that it had seen."""
    call = jax.jit(lambda instance: instance())
    classes = [constant(float(i)) for i in range(100)]
    assert [float(call(cls())) for cls in classes] == list(range(100))
    assert len({jax.tree.structure(cls()) for cls in classes}) == len(classes)
    assert jax.tree.structure(classes[0]()) != jax.tree.structure(classes[1]())


def test_children_and_static_fields():
    cls = constant(0.0)
    assert jax.tree.leaves(cls(2.0)) == [2.0]
    assert jax.tree.structure(cls(2.0)) == jax.tree.structure(cls(3.0)) != jax.tree.structure(cls(2.0, 5))
    assert jax.tree.map(lambda x: x + 1, cls(2.0, 5)) == cls(3.0, 5)
    assert [jax.tree_util.keystr(path) for path, _ in jax.tree.leaves_with_path(cls(2.0))] == [".weight"]
    assert cls(2.0).replace(size=7) == cls(2.0, 7)
    with pytest.raises(dataclasses.FrozenInstanceError):
        cls().weight = 3.0


@pytest.mark.parametrize("make", [struct.settings, struct.dataclass])
def test_a_default_that_a_base_class_would_hide_is_refused(make):
    """``dataclasses`` takes the field of the first base, though it only inherits it and the second declares it anew."""

    @make
    class Rate:
        rate: float = 1.0

    @make
    class Inherits(Rate):
        pass

    @make
    class Declares(Rate):
        rate: float = 2.0

    with pytest.raises(
        TypeError, match=r"Hidden inherits rate=1\.0 from one base class and 2\.0 from Declares: declare it in Hidden"
    ):

        @make
        class Hidden(Inherits, Declares):
            pass

    @make
    class Declared(Inherits, Declares):
        rate: float = 3.0

    @make
    class Ordered(Declares, Inherits):
        pass

    assert (Declared().rate, Ordered().rate) == (3.0, 2.0)


def test_types_of_unknown_names_are_not_checked():
    """Such as names that are imported for type checkers only."""

    @struct.dataclass
    class Unknown:
        rate: "Positive"  # noqa: F821
        count: "Count" = 1

    assert Unknown(-1.0).rate == -1.0
    with pytest.raises(ValueError, match="count=0: give a whole number of at least 1"):
        Unknown(1.0, count=0)


@pytest.mark.parametrize("annotation", [Literal["a", "b"] | None, tuple[Literal["a", "b"], ...], Literal["a", "b"] | float])
def test_choices_inside_a_type_are_checked(annotation):
    @struct.settings
    class Kind:
        names: annotation = "a"

    for names in ("b", ("a", "b"), None, 0.5):
        assert Kind(names=names).replace(names="b").names == "b"
    with pytest.raises(ValueError, match="names='c': choose from a, b"):
        Kind(names=("a", "c") if annotation == tuple[Literal["a", "b"], ...] else "c")


def test_choices_are_checked():
    @struct.dataclass
    class Kind:
        name: Literal["a", "b"] = struct.field(pytree_node=False, default="a")

    assert Kind("b").name == Kind(np.str_("b")).name == "b"
    for name in ("c", 3, np.zeros(2)):
        with pytest.raises(ValueError, match="choose from a, b"):
            Kind(name)


def test_a_subclass_adds_fields():
    @struct.dataclass
    class More(constant(2.0)):
        bias: float = struct.field(default=0.5, kw_only=True)

    assert jax.tree.map(lambda x: 2 * x, More(1.0, 4, bias=3.0)) == More(2.0, 4, bias=6.0)


def learners(base: type) -> list[type]:
    """The learners of jmeta that can be made of a class or its subclasses."""
    found = [each for child in base.__subclasses__() for each in learners(child)]
    ours = base.__module__.startswith("jmeta.") and dataclasses.is_dataclass(base) and not inspect.isabstract(base)
    return [base, *found] if ours else found


def test_an_unknown_field_is_named_with_the_nearest():
    @struct.settings
    class Rate:
        learning_rate: float = 1.0

    @struct.dataclass
    class Rule(Rate):
        name: str = struct.field(pytree_node=False, default="rule")

    class Other(Rule):
        pass

    with pytest.raises(TypeError, match=r"^Rate has no setting 'learning_rat'; did you mean 'learning_rate'\?$"):
        Rate(learning_rat=2.0)
    with pytest.raises(TypeError, match=r"^Rule has no field 'rate'; did you mean 'learning_rate'\?$"):
        Rule().replace(rate=2.0)
    with pytest.raises(TypeError, match=r"^Other has no field 'nmae'; did you mean 'name'\?$"):
        dataclasses.replace(Other(), nmae="a")
    with pytest.raises(TypeError, match=r"^Rule has no field 'xyz'$"):
        Rule(xyz=1)
    assert Rule("b", learning_rate=2.0).replace(name="c") == Rule("c", learning_rate=2.0)
    assert list(inspect.signature(Rule).parameters) == ["name", "learning_rate"]


LEARNERS = dict.fromkeys([*learners(OuterLearner), *learners(InnerLearner)])


@pytest.mark.parametrize("learner", LEARNERS, ids=lambda learner: learner.__name__)
def test_every_learner_names_an_unknown_field(learner):
    with pytest.raises(TypeError, match=f"^{learner.__name__} has no field 'no_such_field'"):
        learner(no_such_field=1)
