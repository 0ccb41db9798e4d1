"""Costs of compiled programs, against counts by hand, and against programs of the CPU's compiler."""

import jax
import jax.numpy as jnp
import pytest

from jmeta.planning.compiled_costs import CompiledCosts, compiled_costs
from jmeta.planning.hlo import arrays_of, bytes_of, read_hlo

LOOP = """HloModule loop

%body (p: (s32[], f32[100,4], f32[4])) -> (s32[], f32[100,4], f32[4]) {{
  %p = (s32[], f32[100,4]{{1,0}}, f32[4]{{0}}) parameter(0)
  %i = s32[] get-tuple-element(%p), index=0
  %table = f32[100,4]{{1,0}} get-tuple-element(%p), index=1
  %row = f32[4]{{0}} get-tuple-element(%p), index=2
  %one = s32[] constant(1)
  %next = s32[] add(%i, %one)
  %sum = f32[4]{{0}} add(%row, %row)
  ROOT %t = (s32[], f32[100,4]{{1,0}}, f32[4]{{0}}) tuple(%next, %table, %sum)
}}

%condition (q: (s32[], f32[100,4], f32[4])) -> pred[] {{
  %q = (s32[], f32[100,4]{{1,0}}, f32[4]{{0}}) parameter(0)
  %limit = s32[] constant(25)
  %j = s32[] get-tuple-element(%q), index=0
  ROOT %lt = pred[] compare(%j, %limit), direction={direction}
}}

ENTRY %main (x: f32[100,4], y: f32[4]) -> f32[4] {{
  %x = f32[100,4]{{1,0}} parameter(0)
  %y = f32[4]{{0}} parameter(1)
  %zero = s32[] constant(0)
  %start = (s32[], f32[100,4]{{1,0}}, f32[4]{{0}}) tuple(%zero, %x, %y)
  %w = (s32[], f32[100,4]{{1,0}}, f32[4]{{0}}) while(%start), condition=%condition, body=%body{config}
  ROOT %r = f32[4]{{0}} get-tuple-element(%w), index=2
}}
"""
EACH = 3 * 4 + 3 * 16  # bytes: two numbers are read and one is written, and the same for rows


def costs(text: str) -> CompiledCosts:
    return compiled_costs(read_hlo(text))


def main(*lines: str, more: str = "") -> str:
    return "\n".join([more, "ENTRY %main (x: f32[8,4]) -> f32[8,4] {", "  %x = f32[8,4]{1,0} parameter(0)", *lines, "}", ""])


def test_the_body_of_a_loop_counts_as_often_as_its_condition_says():
    assert costs(LOOP.format(direction="LT", config="")) == CompiledCosts(kernels=50, memory_bytes=25 * EACH)


def test_the_compiler_s_own_count_of_a_loop_comes_first():
    config = ', backend_config={"known_trip_count":{"n":"7"}}'
    assert costs(LOOP.format(direction="GT", config=config)) == CompiledCosts(kernels=14, memory_bytes=7 * EACH)


def test_a_limit_that_is_carried_by_the_loop():
    text = LOOP.format(direction="LT", config="").replace(
        "%limit = s32[] constant(25)", "%limit = s32[] get-tuple-element(%q), index=0"
    )
    text = text.replace("%zero = s32[] constant(0)", "%zero = s32[] constant(9)")
    assert costs(text).kernels == 18


def test_a_loop_of_unknown_length_counts_once_and_is_reported():
    assert costs(LOOP.format(direction="GT", config="")) == CompiledCosts(2, EACH, unknown_loops=1)


def test_arrays_on_the_chip_cost_no_traffic_and_memory_is_counted_in_bits():
    assert bytes_of("f32[8,4]{1,0:T(8,128)}") == 128
    assert bytes_of("f32[8,4]{1,0:T(8,128)S(1)}") == 0
    assert bytes_of("f32[8,4]{1,0:T(8,128)S(1)}", everywhere=True) == 128
    assert bytes_of("(bf16[3]{0}, pred[5]{0}, s4[3]{0}, token[])") == 6 + 5 + 2
    assert bytes_of("f8e4m3fn[3]{0}") == 3
    assert arrays_of("(f32[2]{0}, s32[])") == ["f32[2]{0}", "s32[]"]


def test_an_array_that_is_only_sliced_costs_its_slices():
    inside = """%fused (a: f32[100,4], i: s32[]) -> f32[1,4] {
  %a = f32[100,4]{1,0} parameter(0)
  %i = s32[] parameter(1)
  %zero = s32[] constant(0)
  %named = f32[100,4]{1,0} bitcast(%a)
  ROOT %s = f32[1,4]{1,0} dynamic-slice(%named, %i, %zero), dynamic_slice_sizes={1,4}
}
"""
    fusion = "%f = f32[1,4]{1,0} fusion(%table, %i), kind=kLoop, calls=%fused"
    text = main("  %table = f32[100,4]{1,0} parameter(1)", "  %i = s32[] parameter(2)", f"  ROOT {fusion}", more=inside)
    assert costs(text) == CompiledCosts(1, 16 + 16 + 4)
    assert costs(text.replace("dynamic-slice(%named", "reduce(%named")).memory_bytes == 1600 + 16 + 4


def test_an_array_that_is_updated_in_place_costs_the_update():
    inside = """%fused (a: f32[100,4], u: f32[1,4], i: s32[]) -> (f32[100,4], f32[4]) {
  %a = f32[100,4]{1,0} parameter(0)
  %u = f32[1,4]{1,0} parameter(1)
  %i = s32[] parameter(2)
  %zero = s32[] constant(0)
  %d = f32[100,4]{1,0} dynamic-update-slice(%a, %u, %i, %zero)
  %v = f32[4]{0} bitcast(%u)
  ROOT %t = (f32[100,4]{1,0}, f32[4]{0}) tuple(%d, %v)
}
"""
    text = main(
        "  %a = f32[100,4]{1,0} parameter(1)",
        "  %u = f32[1,4]{1,0} parameter(2)",
        "  %i = s32[] parameter(3)",
        "  ROOT %f = (f32[100,4]{1,0}, f32[4]{0}) fusion(%a, %u, %i), kind=kLoop, calls=%fused",
        more=inside,
    )
    assert costs(text) == CompiledCosts(1, (16 + 4) + (16 + 16))
    alone = main("  %u = f32[1,4]{1,0} parameter(1)", "  ROOT %d = f32[8,4]{1,0} dynamic-update-slice(%x, %u)")
    assert costs(alone).memory_bytes == 2 * 16


def test_exchanges_between_devices():
    text = main("  %s = f32[8,4]{1,0} all-reduce-start(%x), to_apply=%add", "  ROOT %d = f32[8,4]{1,0} all-reduce-done(%s)")
    assert costs(text) == CompiledCosts(kernels=1, collectives=1, collective_bytes=128)


def test_of_two_branches_the_one_with_more_traffic_counts_and_calls_are_followed():
    inside = """%little (a: f32[8,4]) -> f32[8,4] {
  %a = f32[8,4]{1,0} parameter(0)
  ROOT %n = f32[8,4]{1,0} negate(%a)
}
%much (b: f32[8,4]) -> f32[8,4] {
  %b = f32[8,4]{1,0} parameter(0)
  %m = f32[8,4]{1,0} negate(%b)
  ROOT %k = f32[8,4]{1,0} call(%m), to_apply=%little
}
"""
    text = main(
        "  %p = pred[] constant(true)",
        "  ROOT %c = f32[8,4]{1,0} conditional(%p, %x, %x), branch_computations={%little, %much}",
        more=inside,
    )
    assert costs(text) == CompiledCosts(2, 4 * 128)


def test_a_library_s_workspace_is_no_traffic():
    text = main('  ROOT %m = (f32[8,4]{1,0}, s8[33554432]{0}) custom-call(%x), custom_call_target="product"')
    assert costs(text).memory_bytes == 256


def test_what_is_no_program_is_refused():
    with pytest.raises(ValueError, match="no ENTRY"):
        read_hlo("HloModule nothing")


def test_a_program_of_the_cpu_s_compiler():
    def loop(x):
        return jax.lax.scan(lambda x, _: (jnp.cumsum(jnp.sin(x) @ x, 0), None), x, None, length=13)[0]

    once = jax.jit(lambda x: jnp.cumsum(jnp.sin(x) @ x, 0))
    x = jnp.ones((8, 8))
    single, thirteen = (costs(each.lower(x).compile().as_text()) for each in (once, jax.jit(loop)))
    assert single.unknown_loops == thirteen.unknown_loops == 0
    assert 13 * single.kernels <= thirteen.kernels <= 13 * (single.kernels + 4) + 6
    assert 12 * single.memory_bytes <= thirteen.memory_bytes <= 20 * single.memory_bytes
