#include "../compute/swiglu.h"
#include "../parallel.h"
#include "fused.h"


namespace fused {

std::string swigluShapes(const Shapes& in, const Sizes&, Shapes* out) {
  *out = {in[0]};
  return in[0] == in[1] ? "" : "takes gate and up of one shape";
}
void swiglu(const Inputs& in, const Sizes&, float, const Outputs& out) {
  const int64_t n = in[0].count();
  parallel::rows(n, 4 * n, [&](int64_t from, int64_t to) { swiglu::forward(in[0].floats(), in[1].floats(), from, to, out[0]); });
}

std::string swigluGradShapes(const Shapes& in, const Sizes&, Shapes* out) {
  *out = {in[0], in[0]};
  return in[0] == in[1] && in[0] == in[2] ? "" : "takes three tensors of one shape";
}
void swigluGrad(const Inputs& in, const Sizes&, float, const Outputs& out) {
  const int64_t n = in[0].count();
  parallel::rows(n, 4 * n, [&](int64_t from, int64_t to) {
    swiglu::backward(in[0].floats(), in[1].floats(), in[2].floats(), from, to, out[0], out[1]);
  });
}

}  // namespace fused
