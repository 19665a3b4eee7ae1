// log p of one token per row of logits [N, V], and the logarithm of the row's sum of exponentials, which the gradient takes:
// dx = dy (1 at the token - exp(x - logSum)).
#pragma once
#include "math.h"

namespace logProbs {

EVERY_PROCESSOR void forward(const float* x, const int32_t* ids, Index width, Index from, Index to, float* logProbs, float* logSums) {
  for (Index row = from; row < to; row++) {
    const float* in = x + row * width;
    float tops[math::kLanes];
    for (int lane = 0; lane < math::kLanes; lane++) tops[lane] = in[0];
    Index i = 0;
    for (; i + math::kLanes <= width; i += math::kLanes)
      for (int lane = 0; lane < math::kLanes; lane++) tops[lane] = in[i + lane] > tops[lane] ? in[i + lane] : tops[lane];
    float most = tops[0];
    for (int lane = 1; lane < math::kLanes; lane++) most = tops[lane] > most ? tops[lane] : most;
    for (; i < width; i++) most = in[i] > most ? in[i] : most;
    float lanes[math::kLanes] = {0};
    for (i = 0; i + math::kLanes <= width; i += math::kLanes)
      for (int lane = 0; lane < math::kLanes; lane++) lanes[lane] += math::exponential(in[i + lane] - most);
    for (; i < width; i++) lanes[0] += math::exponential(in[i] - most);
    const float logSum = math::logarithm(math::sumLanes(lanes));
    logProbs[row] = in[ids[row]] - most - logSum;
    logSums[row] = most + logSum;
  }
}

EVERY_PROCESSOR void backward(const float* dy, const float* x, const float* logSums, const int32_t* ids, Index width, Index from,
                              Index to, float* dx) {
  for (Index row = from; row < to; row++) {
    const float* in = x + row * width;
    float* out = dx + row * width;
    const float up = dy[row], logSum = logSums[row];
    for (Index i = 0; i < width; i++) out[i] = -up * math::exponential(in[i] - logSum);
    out[ids[row]] += up;
  }
}

}  // namespace logProbs
