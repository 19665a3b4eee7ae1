#include <cstring>

#include "fused.h"

namespace fused {

// x, computed no earlier than other.
std::string afterShapes(const Shapes& in, const Sizes&, Shapes* out) {
  *out = {in[0]};
  return "";
}
void after(const Inputs& in, const Sizes&, float, const Outputs& out) {
  std::memcpy(out[0], in[0].data, static_cast<size_t>(in[0].count()) * sizeof(float));
}

}  // namespace fused
