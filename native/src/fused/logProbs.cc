#include <cmath>

#include "../parallel.h"
#include "fused.h"
#include "math.h"

// log p of one token per row of logits [N, V], and the logarithm of the row's sum of exponentials, which the gradient takes:
// dx = dy (1 at the token - exp(x - logSum)).

namespace {

EVERY_PROCESSOR void forward(const float* x, const int32_t* ids, int64_t width, int64_t from, int64_t to, float* logProbs, float* logSums) {
  for (int64_t row = from; row < to; row++) {
    const float* in = x + row * width;
    float tops[math::kLanes];
    for (int lane = 0; lane < math::kLanes; lane++) tops[lane] = in[0];
    int64_t i = 0;
    for (; i + math::kLanes <= width; i += math::kLanes)
      for (int lane = 0; lane < math::kLanes; lane++) tops[lane] = in[i + lane] > tops[lane] ? in[i + lane] : tops[lane];
    float most = tops[0];
    for (int lane = 1; lane < math::kLanes; lane++) most = tops[lane] > most ? tops[lane] : most;
    for (; i < width; i++) most = in[i] > most ? in[i] : most;
    float lanes[math::kLanes] = {0};
    for (i = 0; i + math::kLanes <= width; i += math::kLanes)
      for (int lane = 0; lane < math::kLanes; lane++) lanes[lane] += math::exponential(in[i + lane] - most);
    for (; i < width; i++) lanes[0] += math::exponential(in[i] - most);
    const float logSum = std::log(math::sumLanes(lanes));
    logProbs[row] = in[ids[row]] - most - logSum;
    logSums[row] = most + logSum;
  }
}

EVERY_PROCESSOR void backward(const float* dy, const float* x, const float* logSums, const int32_t* ids, int64_t width, int64_t from,
                              int64_t to, float* dx) {
  for (int64_t row = from; row < to; row++) {
    const float* in = x + row * width;
    float* out = dx + row * width;
    const float up = dy[row], logSum = logSums[row];
    for (int64_t i = 0; i < width; i++) out[i] = -up * math::exponential(in[i] - logSum);
    out[ids[row]] += up;
  }
}

}  // namespace

namespace fused {

std::string targetLogProbsShapes(const Shapes& in, const Sizes&, Shapes* out) {
  if (in[0].size() != 2 || in[1].size() != 1 || in[1][0] != in[0][0] || in[0][1] < 1) return "takes logits [N, V] and ids [N]";
  *out = {in[1], in[1]};
  return "";
}
std::string targetLogProbsValues(const Inputs& in) { return idsWithin(in[1], in[0].shape[1]); }
void targetLogProbs(const Inputs& in, const Sizes&, float, const Outputs& out) {
  const int64_t n = in[0].shape[0], v = in[0].shape[1];
  parallel::rows(n, 4 * n * v, [&](int64_t from, int64_t to) {
    forward(in[0].floats(), in[1].ints(), v, from, to, out[0], out[1]);
  });
}

std::string targetLogProbsGradShapes(const Shapes& in, const Sizes&, Shapes* out) {
  if (in[1].size() != 2 || in[0].size() != 1 || in[0][0] != in[1][0] || in[2] != in[0] || in[3] != in[0] || in[1][1] < 1)
    return "takes dy [N], logits [N, V], the logarithms of their sums [N] and ids [N]";
  *out = {in[1]};
  return "";
}
std::string targetLogProbsGradValues(const Inputs& in) { return idsWithin(in[3], in[1].shape[1]); }
void targetLogProbsGrad(const Inputs& in, const Sizes&, float, const Outputs& out) {
  const int64_t n = in[1].shape[0], v = in[1].shape[1];
  parallel::rows(n, 4 * n * v, [&](int64_t from, int64_t to) {
    backward(in[0].floats(), in[1].floats(), in[2].floats(), in[3].ints(), v, from, to, out[0]);
  });
}

}  // namespace fused
