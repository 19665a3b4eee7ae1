// y = x / (1 - rate) where a number stays, else 0. Whether number i stays follows from i, the key and the module alone (sizes: the module,
// and how many numbers stand before the first; factor: the rate), as src/model/dropout.ts computes it: nothing has to be kept for the gradient, which is the same op on dy.
#pragma once
#include "math.h"

namespace dropout {

INLINE uint32_t mix(uint32_t h) {
  h ^= h >> 16;
  h *= 0x21f0aaadu;
  h ^= h >> 15;
  h *= 0x735a2d97u;
  return h ^ (h >> 15);
}

EVERY_PROCESSOR void run(const float* x, uint32_t key, uint32_t module, uint32_t limit, float scale, Index from, Index to, float* y) {
  for (Index i = from; i < to; i++) {
    const uint32_t bits = mix(mix(static_cast<uint32_t>(i) + key) ^ module) >> 8;
    y[i] = bits >= limit ? x[i] * scale : 0.0f;
  }
}

}  // namespace dropout
