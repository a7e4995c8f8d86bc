"""C programs that call every function of an exported library, written from the facts in it.

`Program(report, folder)` compiles one for a machine. Its functions take and give arrays as those of the
library do in Python, but run in the C program, under an emulator where `runner` names one. The state is kept
in a file that the library's own `save` and `load` write. Arrays lie in memory of exactly their size, so that
checkers of memory see what is outside.
"""

import functools
import json
import subprocess
from pathlib import Path

import numpy as np

from weft.exporting.records import C_TYPES
from weft.ir.dims import evaluate_dim
from weft.library import MARK, LibraryFunction, _dtype, _result, _with_names

HEAD = r"""
#include "NAME.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
static void *get(FILE *in, int64_t *bytes) { /* NULL for an array of no bytes would be an error */
    if (fread(bytes, 8, 1, in) != 1) exit(9);
    void *p = malloc(*bytes ? (size_t)*bytes : 1);
    if (!p || fread(p, 1, (size_t)*bytes, in) != (size_t)*bytes) exit(9);
    return p;
}
static void put(FILE *out, void *p, int64_t bytes) {
    if (out && fwrite(p, 1, (size_t)bytes, out) != (size_t)bytes) exit(9);
    free(p);
}
"""
MAIN = r"""
int main(int count, char **words) {
    if (count < 4) return 9;
    FILE *in = fopen(words[2], "rb");
    void *state = NULL;
STATE
    int code = -1;
    if (!in) return 9;
CALLS
    fclose(in);
    if (code) { puts(NAME_strerror(code)); return 3; }
SAVE
    free(state);
    return 0;
}
"""
STATE = r"""
    state = malloc((size_t)NAME_state_size());
    FILE *old = fopen("state", "rb");
    if (old) fclose(old);
    int begun = old ? NAME_load(state, "state") : NAME_init(state);
    if (begun) { puts(NAME_strerror(begun)); return 4; }"""
SAVE = '    code = NAME_save(state, "state");\n    if (code) { puts(NAME_strerror(code)); return 5; }'


def function_source(facts):
    """A C function that reads the arguments of a call, makes it, and writes what it gives."""
    begin, ends = [], []
    passed = ["state"] * facts["uses_state"] + ["arena"]
    sizes = []
    for number, a in enumerate(facts["arguments"]):
        kind = C_TYPES[a["dtype"]]
        if a["kind"] == "array":
            begin.append(f"int64_t b{number}; {kind} *a{number} = get(in, &b{number});")
            ends.append(f"put({'out' if a['is_written'] else 'NULL'}, a{number}, b{number});")
        else:
            begin.append(f"{kind} a{number}; if (fread(&a{number}, sizeof a{number}, 1, in) != 1) exit(9);")
            sizes += [f"a{number}"] * (a["kind"] == "integer")
        passed.append(f"a{number}")
    for number, _ in enumerate(facts["sizes"]):
        begin.append(f"int64_t n{number}; if (fread(&n{number}, 8, 1, in) != 1) exit(9);")
        passed.append(f"n{number}")
        sizes.append(f"n{number}")
    for number, o in enumerate(facts["outputs"]):
        begin.append(f"int64_t c{number}; {C_TYPES[o['dtype']]} *o{number} = get(in, &c{number});")
        ends.insert(number, f"put(out, o{number}, c{number});")
        passed.append(f"o{number}")
    symbol = facts["symbol"]
    begin += [
        f"int64_t bytes = {symbol}_arena_size({', '.join(sizes)});",
        "void *arena = NULL;",
        "if (bytes > 0) { arena = malloc((size_t)bytes); if (NAME_arena_init(arena, bytes)) exit(8); }",
        f"int code = bytes < 0 ? (int)-bytes : {symbol}({', '.join(passed)});",
        'FILE *out = fopen(to, "wb"); if (!out) exit(9);', *ends, "fclose(out); free(arena);",
        "(void)state; return code;",
    ]  # fmt: skip
    body = "\n    ".join(begin)
    return f"static int call_{facts['label']}(void *state, FILE *in, const char *to) {{\n    {body}\n}}\n"


def source_of(facts):
    """The whole program."""
    calls = [
        f'    if (!strcmp(words[1], "{f["label"]}")) code = call_{f["label"]}(state, in, words[3]);'
        for f in facts["functions"]
    ]
    keeps = bool(facts["variables"])
    main = MAIN.replace("STATE", STATE if keeps else "").replace("SAVE", SAVE if keeps else "")
    text = HEAD + "".join(map(function_source, facts["functions"])) + main.replace("CALLS", "\n".join(calls))
    return text.replace("NAME", facts["name"])


class Program:
    """The functions of a library, run in a C program; they are attributes."""

    is_arena_static = False

    def __init__(self, report, folder, compiler=("cc",), runner=(), flags=("-O1",)):
        self._read(report, folder)
        self.runner = runner
        (folder / f"{self.facts['name']}.h").write_text(report.header.read_text())
        (folder / "driver.c").write_text(source_of(self.facts))
        self.path = folder / "driver.exe"
        command = [*compiler, *flags, "-Wall", "-Wextra", "-Werror", "-I", folder, folder / "driver.c",
                   report.library, "-o", self.path, f"-Wl,-rpath,{report.library.parent}"]  # fmt: skip
        subprocess.run(command, check=True)

    def _read(self, report, folder):
        data = report.library.read_bytes()
        start = data.index(MARK.encode()) + len(MARK)
        self.facts = json.loads(data[start : data.index(b"\0", start)], object_hook=_with_names)
        self.functions = {f["label"]: f for f in self.facts["functions"]}
        self.folder = folder

    def __getattr__(self, name):
        return functools.partial(self.call, self.functions[name])

    def call(self, facts, *args, **kwargs):
        """What the function gives, and changes in arguments that it writes."""
        function, values, known = LibraryFunction(self, facts), {}, {}
        function._collect(args, kwargs, values)
        given = [function._argument(k, a, values[k], known) for k, a in enumerate(facts["arguments"])]
        function._solve(given, known)
        outputs = [
            np.empty(tuple(evaluate_dim(d, known) for d in dims), _dtype(o["dtype"]))
            for dims, o in zip(function._results, facts["outputs"], strict=True)
        ]
        parts = []
        for a, value in zip(facts["arguments"], given, strict=True):
            array = np.asarray(value, _dtype(a["dtype"]))
            parts.append(np.int64(array.nbytes).tobytes() * (a["kind"] == "array") + array.tobytes())
        parts += [np.int64(known[symbol]).tobytes() for _, symbol, _ in facts["sizes"]]
        parts += [np.int64(o.nbytes).tobytes() + o.tobytes() for o in outputs]
        (self.folder / "in").write_bytes(b"".join(parts))
        words = [*self.runner, str(self.path), facts["label"], "in", "out"]
        done = subprocess.run(words, capture_output=True, text=True, check=False, cwd=self.folder)
        if done.returncode:
            raise RuntimeError(f"{done.stdout}{done.stderr}")
        written = [v for a, v in zip(facts["arguments"], given, strict=True) if a["is_written"]]
        content, at = (self.folder / "out").read_bytes(), 0
        for array in (*outputs, *written):
            array[...] = np.frombuffer(content, array.dtype, array.size, at).reshape(array.shape)
            at += array.nbytes
        assert at == len(content)
        paths = {a["path"]: v for a, v in zip(facts["arguments"], given, strict=True)}
        return _result(facts["tree"], outputs, paths, known)


JAVASCRIPT = """
const fs = require("fs"), [label, from, to] = process.argv.slice(2);
Library.load(fs.readFileSync("NAME.wasm"), "NAME").then((library) => {
  const { code, facts } = library, input = fs.readFileSync(from), places = [];
  const f = facts.functions.find((one) => one.label === label);
  const at = (place, bytes) => new Uint8Array(code.memory.buffer, place, bytes);
  const all = library.state ? Number(code.NAME_state_size()) : 0;
  if (all && fs.existsSync("state")) at(library.state, all).set(fs.readFileSync("state"));
  let next = 0;
  const number = () => input.readBigInt64LE((next += 8) - 8);
  const array = () => {
    const bytes = Number(number()), place = library.take(bytes);
    at(place, bytes).set(input.subarray(next, (next += bytes)));
    places.push([place, bytes]);
    return place;
  };
  const values = f.arguments.map((a) => (a[1] === "array" ? array() : number()));
  const sizes = f.sizes.map(number), outputs = f.outputs.map(array);
  const ints = values.filter((_, k) => f.arguments[k][1] === "integer");
  const bytes = code[`${f.symbol}_arena_size`](...ints, ...sizes), arena = library.take(Number(bytes));
  if (bytes) library.check(code.NAME_arena_init(arena, bytes));
  const state = f.uses_state ? [library.state] : [];
  library.check(code[f.symbol](...state, arena, ...values, ...sizes, ...outputs));
  const results = [...places.slice(places.length - outputs.length)];
  let array_number = 0;
  for (const a of f.arguments) {
    if (a[1] === "array" && a[5]) results.push(places[array_number]);
    array_number += a[1] === "array";
  }
  fs.writeFileSync(to, Buffer.concat(results.map(([place, bytes]) => Buffer.from(at(place, bytes)))));
  if (all) fs.writeFileSync("state", at(library.state, all));
});
"""


class WasmProgram(Program):
    """The same in Node.js; numbers are passed as ints alone."""

    def __init__(self, report, folder, node):
        self._read(report, folder)
        (folder / f"{self.facts['name']}.wasm").write_bytes(report.library.read_bytes())
        calls = (Path(__file__).parents[2] / "examples" / "export" / "web" / "weft.js").read_text()
        self.path, self.runner = folder / "driver.js", tuple(node)
        self.path.write_text(calls + JAVASCRIPT.replace("NAME", self.facts["name"]))
