"""The text of the emitted files."""

from __future__ import annotations

import re
from dataclasses import dataclass

from compiler.backend.targets.c.ctext import comment
from compiler.backend.targets.c.graph import Tensor
from compiler.backend.targets.c.node import Node
from compiler.backend.targets.c.plan_arena import Plan
from compiler.backend.targets.c.share_constants import share_constants


@dataclass(frozen=True)
class Rendered:
    """texts: file name → text. kernels: the kernels used. constant_bytes: of weights, biases, factors and structs."""

    texts: dict[str, str]
    kernels: tuple[str, ...]
    constant_bytes: int


def render(
    name: str, nodes: tuple[Node, ...], plan: Plan, ends: tuple[Tensor, Tensor], source: int, sink: int
) -> Rendered:
    """`<name>.c` and `<name>.h`; `ends` are the network's input and output."""
    definitions: list[str] = []
    calls: list[str] = []
    kernels: list[str] = []
    constant_bytes = 0
    for step, node in enumerate(nodes):
        code = node.code(f"{_kind(node)}_{step}")
        places = {f"in{i}": _pointer(plan, value, sink) for i, value in enumerate(node.inputs)}
        places["out"] = _pointer(plan, node.output, sink)
        places["scratch"] = f"arena + {plan.offsets[('scratch', step)]}" if node.scratch_bytes else "arena"
        places["gap"] = f"arena + {plan.offsets[('gap', step)]}" if node.gap_bytes else "arena"
        definitions.append(f"/* {comment(node.name)} */\n{code.definitions}")
        calls.append(f"    {code.call.format(**places)}\n")
        kernels += code.kernels
        constant_bytes += code.bytes
    definitions, saved = share_constants(definitions)
    texts = {
        f"{name}.c": _source(name, definitions, calls, plan.offsets[("value", source)], ends[0].size),
        f"{name}.h": _header(name, plan.bytes, *ends),
    }
    return Rendered(texts, tuple(dict.fromkeys(kernels)), constant_bytes - saved)


def _kind(node: Node) -> str:
    """fully_connected of FullyConnected."""
    return re.sub(r"(?<!^)(?=[A-Z])", "_", type(node).__name__).lower()


def _pointer(plan: Plan, value: int, sink: int) -> str:
    return "out" if value == sink else f"arena + {plan.offsets[('value', value)]}"


def _source(name: str, definitions: list[str], calls: list[str], input_offset: int, input_bytes: int) -> str:
    upper = name.upper()
    constants = "\n".join(definitions)
    return f"""/* Emitted; see {name}.h. */
#include "{name}.h"

#include "kernels.h"

#include <string.h>

static int8_t arena[{upper}_ARENA_BYTES];

{constants}
int8_t *{name}_input(void)
{{
    return arena + {input_offset};
}}

void {name}_run(const int8_t *in, int8_t *out)
{{
    if (in != arena + {input_offset}) {{
        memcpy(arena + {input_offset}, in, {input_bytes});
    }}
{"".join(calls)}}}
"""


def _header(name: str, arena_bytes: int, source: Tensor, sink: Tensor) -> str:
    upper = name.upper()
    return f"""/*
 * An int8 neural network: weights in flash, one static arena in RAM, no allocation, no interpreter. Not reentrant.
 *
 * A quantized value q stands for SCALE * (q - ZERO). Maps are laid out as height, width, channels.
 * input   {comment(source.name)}, {source.shape}
 * output  {comment(sink.name)}, {sink.shape}
 */
#ifndef {upper}_H
#define {upper}_H

#include <stdint.h>

#define {upper}_INPUT_BYTES {source.size}
#define {upper}_INPUT_SCALE {source.scale!r}f
#define {upper}_INPUT_ZERO ({source.zero})
#define {upper}_OUTPUT_BYTES {sink.size}
#define {upper}_OUTPUT_SCALE {sink.scale!r}f
#define {upper}_OUTPUT_ZERO ({sink.zero})
#define {upper}_ARENA_BYTES {arena_bytes}

/* A place for the input inside the arena: write it here and pass it on to save a copy. A run overwrites it. */
int8_t *{name}_input(void);

/*
 * in   int8[{upper}_INPUT_BYTES]; {name}_input(), or any other memory, which is left as it is
 * out  int8[{upper}_OUTPUT_BYTES], outside the arena
 */
void {name}_run(const int8_t *in, int8_t *out);

#endif
"""


def cmake(name: str, sources: list[str]) -> str:
    """CMakeLists.txt: the network as a static library, and the sample."""
    listed = "\n".join(f"    {source}" for source in sources)
    return f"""cmake_minimum_required(VERSION 3.13)
project({name} C)

set(CMAKE_C_STANDARD 99)
set(CMAKE_C_EXTENSIONS OFF)
if(NOT CMAKE_BUILD_TYPE)
    set(CMAKE_BUILD_TYPE Release)
    set(CMAKE_C_FLAGS_RELEASE "-O2 -DNDEBUG") # the report's flash and instructions are those of -O2
endif()

add_library({name} STATIC
{listed}
)
target_include_directories({name} PUBLIC ${{CMAKE_CURRENT_SOURCE_DIR}})

# The same results, faster, where the compiler's flags name a processor with Arm MVE or DSP, or x86 SSE4.1.
option(KERNELS_SIMD "use what the processor has beyond C99" OFF)
if(KERNELS_SIMD)
    target_compile_definitions({name} PRIVATE KERNELS_SIMD=1)
endif()

# Reads samples from standard input; a firmware has none.
if(CMAKE_SOURCE_DIR STREQUAL CMAKE_CURRENT_SOURCE_DIR AND NOT CMAKE_CROSSCOMPILING)
    add_executable(sample main.c)
    target_link_libraries(sample PRIVATE {name})
endif()
"""


def main(name: str) -> str:
    """main.c: runs the network on standard input."""
    upper = name.upper()
    return f"""/* Runs the network on each {upper}_INPUT_BYTES bytes of standard input and prints its outputs. */
#include "{name}.h"

#include <stdio.h>

int main(void)
{{
    int8_t out[{upper}_OUTPUT_BYTES];

    while (fread({name}_input(), 1, {upper}_INPUT_BYTES, stdin) == {upper}_INPUT_BYTES) {{
        {name}_run({name}_input(), out);
        for (int i = 0; i < {upper}_OUTPUT_BYTES; i++) {{
            printf("%d%c", out[i], i + 1 < {upper}_OUTPUT_BYTES ? ' ' : '\\n');
        }}
    }}
    return 0;
}}
"""
