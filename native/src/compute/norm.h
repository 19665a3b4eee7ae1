// The root-mean-square norm of the Llama family, y = x / sqrt(mean(x^2) + epsilon) * weight, and its gradient for x:
// dx = r (w dy - x r^2 mean(x w dy)), r = 1 / sqrt(mean(x^2) + epsilon). Rows of D numbers.
#pragma once
#include "math.h"

namespace norm {

EVERY_PROCESSOR void forward(const float* x, const float* added, const float* w, float epsilon, Index d, Index from, Index to,
                              float* sum, float* y) {
  for (Index row = from; row < to; row++) {
    const float* in = x + row * d;
    float* out = y + row * d;
    float lanes[math::kLanes] = {0};
    if (added != nullptr) {
      const float* more = added + row * d;
      float* both = sum + row * d;
      for (Index i = 0; i < d; i++) both[i] = in[i] + more[i];
      in = both;
    }
    Index i = 0;
    for (; i + math::kLanes <= d; i += math::kLanes)
      for (int lane = 0; lane < math::kLanes; lane++) lanes[lane] += in[i + lane] * in[i + lane];
    for (; i < d; i++) lanes[i % math::kLanes] += in[i] * in[i];
    const float r = 1.0f / math::root(math::sumLanes(lanes) / static_cast<float>(d) + epsilon);
    for (i = 0; i < d; i++) out[i] = in[i] * r * w[i];
  }
}

EVERY_PROCESSOR void backward(const float* dy, const float* x, const float* w, const float* dsum, float epsilon, Index d, Index from,
                              Index to, float* dx) {
  for (Index row = from; row < to; row++) {
    const float* in = x + row * d;
    const float* up = dy + row * d;
    float* out = dx + row * d;
    float squares[math::kLanes] = {0}, products[math::kLanes] = {0};
    Index i = 0;
    for (; i + math::kLanes <= d; i += math::kLanes)
      for (int lane = 0; lane < math::kLanes; lane++) {
        squares[lane] += in[i + lane] * in[i + lane];
        products[lane] += in[i + lane] * w[i + lane] * up[i + lane];
      }
    for (; i < d; i++) {
      squares[i % math::kLanes] += in[i] * in[i];
      products[i % math::kLanes] += in[i] * w[i] * up[i];
    }
    const float r = 1.0f / math::root(math::sumLanes(squares) / static_cast<float>(d) + epsilon);
    const float back = r * r * r * math::sumLanes(products) / static_cast<float>(d);
    if (dsum == nullptr) {
      for (i = 0; i < d; i++) out[i] = r * w[i] * up[i] - in[i] * back;
    } else {
      const float* straight = dsum + row * d;
      for (i = 0; i < d; i++) out[i] = straight[i] + (r * w[i] * up[i] - in[i] * back);
    }
  }
}

}  // namespace norm
