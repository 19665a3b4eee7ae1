// Loops that the compiler turns into vectors, in the widest form that the processor at hand has. What stands in this folder is compiled twice:
// into the addon's ops (../fused) and, without any library, into the WebAssembly engine's module (../wasm).
#pragma once
#include <stddef.h>
#include <stdint.h>

#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__)
#define EVERY_PROCESSOR __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#elif defined(__wasm__)
// V8 keeps the loops of large functions in memory instead of registers.
#define EVERY_PROCESSOR __attribute__((noinline))
#else
#define EVERY_PROCESSOR
#endif
#define MEMBER inline __attribute__((always_inline))
#define INLINE static MEMBER

// Places and counts, as wide as an address.
using Index = ptrdiff_t;

namespace math {

// Sums go over this many lanes, which are added up at the end: one order of adding on every processor.
constexpr int kLanes = 16;

INLINE Index smaller(Index a, Index b) { return a < b ? a : b; }
INLINE Index larger(Index a, Index b) { return a > b ? a : b; }

INLINE void fill(float* to, Index count, float value) {
  for (Index i = 0; i < count; i++) to[i] = value;
}

INLINE void copy(const float* from, Index count, float* to) { __builtin_memcpy(to, from, static_cast<size_t>(count) * sizeof(float)); }

INLINE float root(float x) { return __builtin_sqrtf(x); }

// exp(x) within 2 units of the last place; 0 below -87.
INLINE float exponential(float x) {
  const float bounded = x < -87.0f ? -87.0f : (x > 88.0f ? 88.0f : x);
  // The nearest whole number of halvings, by rounding at the place of ones.
  const float shifted = bounded * 1.44269504088896341f + 12582912.0f;
  const float n = shifted - 12582912.0f;
  float r = bounded - n * 0.693359375f;
  r = r - n * -2.12194440e-4f;
  float p = 1.9875691500e-4f;
  p = p * r + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  p = p * r * r + r + 1.0f;
  const int32_t bits = (static_cast<int32_t>(n) + 127) << 23;
  float power;
  __builtin_memcpy(&power, &bits, sizeof power);
  const float value = p * power;
  return x < -87.0f ? 0.0f : value;
}

// log(x) of a sum of exponentials, x at least the smallest normal number, rounded from a double: log(2^e m) = e log 2 + 2 artanh((m - 1) / (m + 1)).
// Infinite or no number: as it is.
INLINE float logarithm(float x) {
  if (!(x - x == 0.0f)) return x;
  int32_t bits;
  __builtin_memcpy(&bits, &x, sizeof bits);
  // m within 1 / sqrt(2) .. sqrt(2)
  const int32_t exponent = (bits - 0x3f3504f3) >> 23;
  const int32_t mantissa = bits - exponent * (1 << 23);
  float m;
  __builtin_memcpy(&m, &mantissa, sizeof m);
  const double s = (static_cast<double>(m) - 1.0) / (static_cast<double>(m) + 1.0), s2 = s * s;
  const double series = 1.0 + s2 * (1.0 / 3 + s2 * (1.0 / 5 + s2 * (1.0 / 7 + s2 * (1.0 / 9 + s2 * (1.0 / 11 + s2 / 13)))));
  return static_cast<float>(exponent * 0.6931471805599453 + 2.0 * s * series);
}

INLINE float sumLanes(const float* lanes) {
  float a[kLanes / 2];
  for (int i = 0; i < 8; i++) a[i] = lanes[i] + lanes[i + 8];
  return ((a[0] + a[4]) + (a[1] + a[5])) + ((a[2] + a[6]) + (a[3] + a[7]));
}

}  // namespace math
