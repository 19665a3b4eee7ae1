// Loops that the compiler turns into vectors, in the widest form that the processor at hand has.
#pragma once
#include <cstdint>
#include <cstring>

#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__)
#define EVERY_PROCESSOR __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define EVERY_PROCESSOR
#endif
#define INLINE static inline __attribute__((always_inline))

namespace math {

// Sums go over this many lanes, which are added up at the end: one order of adding on every processor.
constexpr int kLanes = 16;

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
  std::memcpy(&power, &bits, sizeof power);
  const float value = p * power;
  return x < -87.0f ? 0.0f : value;
}

INLINE float sumLanes(const float* lanes) {
  float a[kLanes / 2];
  for (int i = 0; i < 8; i++) a[i] = lanes[i] + lanes[i + 8];
  return ((a[0] + a[4]) + (a[1] + a[5])) + ((a[2] + a[6]) + (a[3] + a[7]));
}

}  // namespace math
