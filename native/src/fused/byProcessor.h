// A computation on the vectors that the processor at hand has. Given has a template some<Registers>(from, to).
#pragma once
#include "../compute/matMul.h"

template <class Given>
class ByProcessor {
 public:
  // Columns that are computed together.
  static Index wide() { return way().wide; }
  static void run(const Given& given, Index from, Index to) { way().run(given, from, to); }

 private:
  struct Way {
    void (*run)(const Given&, Index, Index);
    Index wide;
  };

  using Usual = product::Registers<16, 4>;
  static void usual(const Given& given, Index from, Index to) { given.template some<Usual>(from, to); }
#if defined(__x86_64__)
  using Wide = product::Registers<32, 6>;
  using Widest = product::Registers<64, 14>;
  __attribute__((target("arch=x86-64-v3"))) static void onWide(const Given& given, Index from, Index to) { given.template some<Wide>(from, to); }
  __attribute__((target("arch=x86-64-v4"))) static void onWidest(const Given& given, Index from, Index to) {
    given.template some<Widest>(from, to);
  }
#endif

  static const Way& way() {
    static const Way found = find();
    return found;
  }

  static Way find() {
#if defined(__x86_64__)
    __builtin_cpu_init();
    if (__builtin_cpu_supports("x86-64-v4")) return {onWidest, Widest::kWide};
    if (__builtin_cpu_supports("x86-64-v3")) return {onWide, Wide::kWide};
#endif
    return {usual, Usual::kWide};
  }
};
