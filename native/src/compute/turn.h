// Rotary position embeddings (arXiv 2104.09864) of one head of one token.
#pragma once
#include "math.h"

// The first `rotary` of `size` numbers turned by the angle, or back; all times scale.
INLINE void turn(const float* in, const float* cos, const float* sin, float scale, Index rotary, Index size, bool back, float* __restrict out) {
  const Index half = rotary / 2;
  if (!back) {
    for (Index i = 0; i < half; i++) {
      const float a = in[i], b = in[i + half];
      out[i] = (a * cos[i] - b * sin[i]) * scale;
      out[i + half] = (b * cos[i + half] + a * sin[i + half]) * scale;
    }
  } else {
    for (Index i = 0; i < half; i++) {
      const float a = in[i], b = in[i + half];
      out[i] = (a * cos[i] + b * sin[i + half]) * scale;
      out[i + half] = (b * cos[i + half] - a * sin[i]) * scale;
    }
  }
  for (Index i = rotary; i < size; i++) out[i] = in[i] * scale;
}
