#include "../compute/adamw.h"
#include "../parallel.h"
#include "fused.h"


namespace fused {

std::string adamwShapes(const Shapes& in, const Sizes&, Shapes* out) {
  *out = {in[0], in[0], in[0]};
  if (in[1] != in[0] || in[2] != in[0] || in[3] != in[0]) return "takes a parameter, its gradient and its moments in one shape";
  return in[4].size() == 1 && in[4][0] == 7 ? "" : "takes seven numbers";
}
void adamw(const Inputs& in, const Sizes&, float, const Outputs& out) {
  const int64_t n = in[0].count();
  const float* x = in[4].floats();
  const adamw::Numbers numbers{x[0], x[1], x[2], x[3], x[4], x[5], x[6]};
  parallel::rows(n, 4 * n, [&](int64_t from, int64_t to) {
    adamw::run(in[0].floats(), in[1].floats(), in[2].floats(), in[3].floats(), numbers, from, to, out[0], out[1], out[2]);
  });
}

}  // namespace fused
