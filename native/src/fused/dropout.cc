#include "../parallel.h"
#include "fused.h"
#include "math.h"

// y = x / (1 - rate) where a number stays, else 0. Whether number i stays follows from i, the key and the module alone (sizes: the module,
// and how many numbers stand before the first; factor: the rate), as src/model/dropout.ts computes it: nothing has to be kept for the gradient, which is the same op on dy.

namespace {

INLINE uint32_t mix(uint32_t h) {
  h ^= h >> 16;
  h *= 0x21f0aaadu;
  h ^= h >> 15;
  h *= 0x735a2d97u;
  return h ^ (h >> 15);
}

EVERY_PROCESSOR void run(const float* x, uint32_t key, uint32_t module, uint32_t limit, float scale, int64_t from, int64_t to, float* y) {
  for (int64_t i = from; i < to; i++) {
    const uint32_t bits = mix(mix(static_cast<uint32_t>(i) + key) ^ module) >> 8;
    y[i] = bits >= limit ? x[i] * scale : 0.0f;
  }
}

}  // namespace

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
  parallel::rows(n, 4 * n, [&](int64_t from, int64_t to) { run(in[0].floats(), key, module, limit, scale, from, to, out[0]); });
}

}  // namespace fused
