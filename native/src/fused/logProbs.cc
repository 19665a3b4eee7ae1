#include "../compute/logProbs.h"
#include "../parallel.h"
#include "fused.h"


namespace fused {

std::string targetLogProbsShapes(const Shapes& in, const Sizes&, Shapes* out) {
  if (in[0].size() != 2 || in[1].size() != 1 || in[1][0] != in[0][0] || in[0][1] < 1) return "takes logits [N, V] and ids [N]";
  *out = {in[1], in[1]};
  return "";
}
std::string targetLogProbsValues(const Inputs& in, const Sizes&) { return idsWithin(in[1], in[0].shape[1]); }
void targetLogProbs(const Inputs& in, const Sizes&, float, const Outputs& out) {
  const int64_t n = in[0].shape[0], v = in[0].shape[1];
  parallel::rows(n, 4 * n * v, [&](int64_t from, int64_t to) {
    logProbs::forward(in[0].floats(), in[1].ints(), v, from, to, out[0], out[1]);
  });
}

std::string targetLogProbsGradShapes(const Shapes& in, const Sizes&, Shapes* out) {
  if (in[1].size() != 2 || in[0].size() != 1 || in[0][0] != in[1][0] || in[2] != in[0] || in[3] != in[0] || in[1][1] < 1)
    return "takes dy [N], logits [N, V], the logarithms of their sums [N] and ids [N]";
  *out = {in[1]};
  return "";
}
std::string targetLogProbsGradValues(const Inputs& in, const Sizes&) { return idsWithin(in[3], in[1].shape[1]); }
void targetLogProbsGrad(const Inputs& in, const Sizes&, float, const Outputs& out) {
  const int64_t n = in[1].shape[0], v = in[1].shape[1];
  parallel::rows(n, 4 * n * v, [&](int64_t from, int64_t to) {
    logProbs::backward(in[0].floats(), in[1].floats(), in[2].floats(), in[3].ints(), v, from, to, out[0]);
  });
}

}  // namespace fused
