"""Where faults are put, and what each does: the instrumented module is the module until its switch is turned."""

from collections.abc import Callable
from types import ModuleType, SimpleNamespace

import pytest

from tools.mutation import switch
from tools.mutation.grow import Instrumented, Operators, instrument

SHOP = '''
"""A shop."""
LIMIT = 3


def is_cheap(price: int, *, is_sale: bool = False) -> bool:
    """Cheap."""
    return price < 10 or (is_sale and price < 20)


def find(names: list[str], wanted: str) -> str | None:
    found = [name for name in names if name.lower() == wanted]
    return found[0] if found else None


def close(shop: object, visitors: int) -> dict[str, str]:
    if visitors:
        raise ValueError("not yet")
    shop.is_open = False
    return {"X-Closed": "yes", "by": "us"}
'''


@pytest.fixture
def grown() -> Instrumented:
    return instrument("shop.py", SHOP, Operators(statements=True, polish=True), 0)


@pytest.fixture
def switched(grown: Instrumented, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], ModuleType]:
    """The instrumented shop, with the fault of this name switched on."""
    monkeypatch.setenv("MUTANT", "")
    codes = {mutant.name: mutant.code for mutant in grown.mutants} | {"": ""}
    text = grown.text.replace("from dispatcher import mutant_switch as _mutant\n", "")
    assert text != grown.text

    def with_fault(name: str) -> ModuleType:
        switch.choose(codes[name])
        shop = ModuleType("shop")
        vars(shop)["_mutant"] = switch
        exec(compile(text, "shop.py", "exec"), vars(shop))
        return shop

    return with_fault


def test_every_question_statement_and_header_gets_its_fault(grown):
    names = [mutant.name for mutant in grown.mutants]
    assert "shop.py is_cheap: part 1 [price < 10 or (is_sale and price < 20)] -> never" in names
    assert "shop.py is_cheap: boundary [price < 10] -> flipped" in names
    assert "shop.py find: only if [name.lower() == wanted] -> always" in names
    assert "shop.py find: return [found[0] if found else None] -> blind" in names
    assert "shop.py close: without [shop.is_open = False] -> skipped" in names
    assert "shop.py close: header [X-Closed] -> left out" in names
    assert len(set(names)) == len(names)
    assert not any("LIMIT" in name for name in names)


def test_without_a_fault_nothing_is_different(switched):
    shop = switched("")
    assert (shop.is_cheap(9), shop.is_cheap(10), shop.is_cheap(19, is_sale=True)) == (True, False, True)
    assert (shop.find(["Ann"], "ann"), shop.find([], "ann")) == ("Ann", None)
    place = SimpleNamespace(is_open=True)
    assert (shop.close(place, 0), place.is_open) == ({"X-Closed": "yes", "by": "us"}, False)


@pytest.mark.parametrize(
    ("name", "seen"),
    [
        ("is_cheap: part 1 [price < 10 or (is_sale and price < 20)] -> never", [False, False, True]),
        ("is_cheap: return [price < 10 or (is_sale and price < 20)] -> always", [True, True, True]),
        ("is_cheap: part 1 [is_sale and price < 20] -> always", [True, True, True]),
        ("is_cheap: boundary [price < 10] -> flipped", [True, True, True]),
    ],
)
def test_a_fault_changes_the_answer(switched, name, seen):
    shop = switched(f"shop.py {name}")
    assert [shop.is_cheap(9), shop.is_cheap(10), shop.is_cheap(19, is_sale=True)] == seen


def test_a_blind_probe_finds_nothing_and_polish_is_skipped(switched):
    assert (
        switched("shop.py find: return [found[0] if found else None] -> blind").find(["Ann"], "ann") is None
    )
    assert switched("shop.py find: polish [name.lower()] -> skipped").find(["Ann"], "ann") is None


def test_statements_and_headers_are_left_out(switched):
    place = SimpleNamespace(is_open=True)
    switched("shop.py close: without [shop.is_open = False] -> skipped").close(place, 0)
    assert place.is_open
    assert switched("shop.py close: header [X-Closed] -> left out").close(place, 0) == {"by": "us"}
    with pytest.raises(ValueError, match="not yet"):
        switched("shop.py close: if [visitors] -> always").close(place, 0)
