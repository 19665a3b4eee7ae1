#include "../compute/dropout.h"
#include "../parallel.h"
#include "fused.h"


namespace fused {

std::string dropoutShapes(const Shapes& in, const Sizes& sizes, Shapes* out) {
  *out = {in[0]};
  if (sizes.size() != 2) return "takes the number of a module and how many numbers stand before as its sizes";
  return in[1].size() == 1 && in[1][0] == 1 ? "" : "takes a key [1]";
}
void dropout(const Inputs& in, const Sizes& sizes, float rate, const Outputs& out) {
  const int64_t n = in[0].count();
  const uint32_t key = static_cast<uint32_t>(in[1].ints()[0]) + static_cast<uint32_t>(sizes[1]);
  const uint32_t module = static_cast<uint32_t>(sizes[0]);
  const float bounded = rate > 0 ? (rate < 1 ? rate : 1) : 0;
  const uint32_t limit = static_cast<uint32_t>(bounded * 16777216.0f + 0.5f);
  const float scale = bounded < 1 ? 1.0f / (1.0f - bounded) : 0;
  parallel::rows(n, 4 * n, [&](int64_t from, int64_t to) { dropout::run(in[0].floats(), key, module, limit, scale, from, to, out[0]); });
}

}  // namespace fused
