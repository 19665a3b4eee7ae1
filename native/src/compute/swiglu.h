// y = silu(gate) up, silu(x) = x / (1 + exp(-x)); dgate = dy up (s + gate s (1 - s)), dup = dy silu(gate), s = 1 / (1 + exp(-gate)).
#pragma once
#include "math.h"

namespace swiglu {

EVERY_PROCESSOR void forward(const float* gate, const float* up, Index from, Index to, float* y) {
  for (Index i = from; i < to; i++) y[i] = gate[i] / (1.0f + math::exponential(-gate[i])) * up[i];
}

EVERY_PROCESSOR void backward(const float* dy, const float* gate, const float* up, Index from, Index to, float* dgate, float* dup) {
  for (Index i = from; i < to; i++) {
    const float s = 1.0f / (1.0f + math::exponential(-gate[i]));
    const float silu = gate[i] * s;
    dgate[i] = dy[i] * up[i] * (s + silu * (1.0f - s));
    dup[i] = dy[i] * silu;
  }
}

}  // namespace swiglu
