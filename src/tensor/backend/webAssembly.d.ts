/** What this project uses of WebAssembly: the compiler's library for Node does not describe it. */
declare namespace WebAssembly {
  class Memory {
    readonly buffer: ArrayBufferLike;
  }
  class Module {
    constructor(bytes: Uint8Array);
  }
  class Instance {
    constructor(module: Module, imports: { readonly [module: string]: { readonly [name: string]: Memory } });
    readonly exports: { readonly [name: string]: unknown };
  }
  function validate(bytes: Uint8Array): boolean;
}
