#include <cmath>

#include "../parallel.h"
#include "fused.h"
#include "math.h"

// One bias-corrected AdamW step (arXiv 1711.05101) in the order of PyTorch's arithmetic. numbers: what the gradient is multiplied by, beta1,
// beta2, epsilon, 1 - rate * decay, sqrt(1 - beta2^step), -rate / (1 - beta1^step).

namespace {

struct Numbers {
  float grad, beta1, beta2, epsilon, keep, root, rate;
};

EVERY_PROCESSOR void run(const float* p, const float* g, const float* m, const float* v, Numbers n, int64_t from, int64_t to, float* pOut,
                         float* mOut, float* vOut) {
  for (int64_t i = from; i < to; i++) {
    const float grad = g[i] * n.grad;
    const float first = m[i] + (1.0f - n.beta1) * (grad - m[i]);
    const float second = v[i] * n.beta2 + grad * grad * (1.0f - n.beta2);
    mOut[i] = first;
    vOut[i] = second;
    pOut[i] = p[i] * n.keep + n.rate * (first / (std::sqrt(second) / n.root + n.epsilon));
  }
}

}  // namespace

namespace fused {

std::string adamwShapes(const Shapes& in, const Sizes&, Shapes* out) {
  *out = {in[0], in[0], in[0]};
  if (in[1] != in[0] || in[2] != in[0] || in[3] != in[0]) return "takes a parameter, its gradient and its moments in one shape";
  return in[4].size() == 1 && in[4][0] == 7 ? "" : "takes seven numbers";
}
void adamw(const Inputs& in, const Sizes&, float, const Outputs& out) {
  const int64_t n = in[0].count();
  const float* x = in[4].floats();
  const Numbers numbers{x[0], x[1], x[2], x[3], x[4], x[5], x[6]};
  parallel::rows(n, 4 * n, [&](int64_t from, int64_t to) {
    run(in[0].floats(), in[1].floats(), in[2].floats(), in[3].floats(), numbers, from, to, out[0], out[1], out[2]);
  });
}

}  // namespace fused
