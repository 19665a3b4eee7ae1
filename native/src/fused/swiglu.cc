#include "../parallel.h"
#include "fused.h"
#include "math.h"

// y = silu(gate) up, silu(x) = x / (1 + exp(-x)); dgate = dy up (s + gate s (1 - s)), dup = dy silu(gate), s = 1 / (1 + exp(-gate)).

namespace {

EVERY_PROCESSOR void forward(const float* gate, const float* up, int64_t from, int64_t to, float* y) {
  for (int64_t i = from; i < to; i++) y[i] = gate[i] / (1.0f + math::exponential(-gate[i])) * up[i];
}

EVERY_PROCESSOR void backward(const float* dy, const float* gate, const float* up, int64_t from, int64_t to, float* dgate, float* dup) {
  for (int64_t i = from; i < to; i++) {
    const float s = 1.0f / (1.0f + math::exponential(-gate[i]));
    const float silu = gate[i] * s;
    dgate[i] = dy[i] * up[i] * (s + silu * (1.0f - s));
    dup[i] = dy[i] * silu;
  }
}

}  // namespace

namespace fused {

std::string swigluShapes(const Shapes& in, const Sizes&, Shapes* out) {
  *out = {in[0]};
  return in[0] == in[1] ? "" : "takes gate and up of one shape";
}
void swiglu(const Inputs& in, const Sizes&, float, const Outputs& out) {
  const int64_t n = in[0].count();
  parallel::rows(n, 4 * n, [&](int64_t from, int64_t to) { forward(in[0].floats(), in[1].floats(), from, to, out[0]); });
}

std::string swigluGradShapes(const Shapes& in, const Sizes&, Shapes* out) {
  *out = {in[0], in[0]};
  return in[0] == in[1] && in[0] == in[2] ? "" : "takes three tensors of one shape";
}
void swigluGrad(const Inputs& in, const Sizes&, float, const Outputs& out) {
  const int64_t n = in[0].count();
  parallel::rows(n, 4 * n, [&](int64_t from, int64_t to) {
    backward(in[0].floats(), in[1].floats(), in[2].floats(), from, to, out[0], out[1]);
  });
}

}  // namespace fused
