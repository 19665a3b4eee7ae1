// One bias-corrected AdamW step (arXiv 1711.05101) in the order of PyTorch's arithmetic. numbers: what the gradient is multiplied by, beta1,
// beta2, epsilon, 1 - rate * decay, sqrt(1 - beta2^step), -rate / (1 - beta1^step).
#pragma once
#include "math.h"

namespace adamw {

struct Numbers {
  float grad, beta1, beta2, epsilon, keep, root, rate;
};

EVERY_PROCESSOR void run(const float* p, const float* g, const float* m, const float* v, Numbers n, Index from, Index to, float* pOut,
                         float* mOut, float* vOut) {
  for (Index i = from; i < to; i++) {
    const float grad = g[i] * n.grad;
    const float first = m[i] + (1.0f - n.beta1) * (grad - m[i]);
    const float second = v[i] * n.beta2 + grad * grad * (1.0f - n.beta2);
    mOut[i] = first;
    vOut[i] = second;
    pOut[i] = p[i] * n.keep + n.rate * (first / (math::root(second) / n.root + n.epsilon));
  }
}

}  // namespace adamw
