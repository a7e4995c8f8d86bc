// Calls libraries that weft.export wrote for wasm32: memory by bump allocation, errors as exceptions.
//
//     const library = await Library.load(bytes, "digits");
//     const x = library.array(Float32Array, 64), digit = library.array(BigInt64Array, 1);
//     library.prepare("predict", 1n);        // arena for these sizes, sizes are BigInt
//     library.call("predict", x, 1n, digit); // state and arena are passed by themselves
//
// Arrays are views of the module's memory; `fresh(x)` gives the view again after memory has grown.
class Library {
  static async load(bytes, name) {
    const { instance } = await WebAssembly.instantiate(bytes, {});
    return new Library(instance.exports, name);
  }

  constructor(code, name) {
    this.code = code;
    this.name = name;
    this.top = code.__heap_base.value;
    this.arena = 0;
    this.arenaBytes = 0;
    this.facts = JSON.parse(this.text(code[`${name}_metadata`].value).split("\n")[1]);
    if (this.facts.variables.length) {
      this.state = this.take(Number(code[`${name}_state_size`]()));
      this.check(code[`${name}_init`](this.state));
    }
  }

  take(bytes) {
    const at = (this.top + 63) & ~63;
    this.top = at + bytes;
    const missing = this.top - this.code.memory.buffer.byteLength;
    if (missing > 0) this.code.memory.grow(Math.ceil(missing / 65536));
    return at;
  }

  array(Type, length) {
    return new Type(this.code.memory.buffer, this.take(length * Type.BYTES_PER_ELEMENT), length);
  }

  fresh(array) {
    return new array.constructor(this.code.memory.buffer, array.byteOffset, array.length);
  }

  text(address) {
    const bytes = new Uint8Array(this.code.memory.buffer, address);
    return new TextDecoder().decode(bytes.slice(0, bytes.indexOf(0)));
  }

  check(code) {
    if (code) throw new Error(this.text(this.code[`${this.name}_strerror`](code)));
  }

  prepare(label, ...sizes) {
    const bytes = Number(this.code[`${this.name}_${label}_arena_size`](...sizes));
    this.check(Math.max(0, -bytes));
    if (bytes <= this.arenaBytes) return;
    this.arena = this.take(bytes);
    this.arenaBytes = bytes;
    this.check(this.code[`${this.name}_arena_init`](this.arena, BigInt(bytes)));
  }

  call(label, ...values) {
    const given = values.map((value) => (ArrayBuffer.isView(value) ? value.byteOffset : value));
    const facts = this.facts.functions.find((one) => one.label === label);
    const state = facts.uses_state ? [this.state] : [];
    this.check(this.code[`${this.name}_${label}`](...state, this.arena, ...given));
  }
}
