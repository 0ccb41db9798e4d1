"""The list of mutants can't rot: each changes text that is there, once, and names tests that are there."""

from collections import Counter

import pytest

from tests.mutants.mutants import KINDS, ROOT, Mutant, choose, read_list

MUTANTS = read_list()


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_a_mutant_fits_the_sources_and_compiles(mutant: Mutant) -> None:
    compile(mutant.text(), str(mutant.path), "exec")
    for test in mutant.tests.split():
        file, *parts = test.split("::")
        source = (ROOT / file).read_text()
        assert all(f"def {part.split('[')[0]}(" in source or f"class {part}" in source for part in parts), test


def test_there_are_at_least_80_and_two_of_each_kind() -> None:
    assert len(MUTANTS) >= 80
    number = Counter(mutant.kind for mutant in MUTANTS)
    assert set(number) == set(KINDS)
    assert min(number.values()) >= 2


def test_they_are_chosen_by_number_name_and_part() -> None:
    first, second = MUTANTS[:2]
    assert choose(MUTANTS, ["2", first.name]) == [second, first]
    assert set(choose(MUTANTS, [first.file])) >= {mutant for mutant in MUTANTS if mutant.file == first.file}
    with pytest.raises(ValueError, match="no mutant is called 'nothing-like-it'"):
        choose(MUTANTS, ["nothing-like-it"])


def test_text_that_is_not_there_once_is_refused() -> None:
    mutant = Mutant("none", "sign", "types.py", "no such text", "other text", "tests/test_import.py")
    with pytest.raises(ValueError, match=r"occurs 0 times in src/jmeta/types\.py, not once"):
        mutant.text()
    with pytest.raises(ValueError, match="kind='other' is not one of sign"):
        Mutant("none", "other", "types.py", "a", "b", "tests/test_import.py")
