// Flat rows of heads [B * T, n * hd] to the layout of the attention's products, [B * KV, n / KV * T, hd], turned by their positions
// (rotary position embeddings, arXiv 2104.09864) and scaled; and back. sizes: B, n, KV, hd, rotary (0: not turned).
// cos and sin are [1 or B, T, hd].
#pragma once
#include "math.h"
#include "turn.h"

namespace heads {

struct Layout {
  Index batch, heads, kv, size, rotary, length;
  Index group() const { return heads / kv; }
  // Where head h of token t in row b stands in [B * KV, group * T, hd].
  Index place(Index b, Index t, Index h) const {
    return (((b * kv + h / group()) * group() + h % group()) * length + t) * size;
  }
};

EVERY_PROCESSOR void tokens(const float* flat, const float* byHead, const float* cos, const float* sin, Index tableRows, float scale, const Layout& l,
            bool back, Index from, Index to, float* out) {
  for (Index token = from; token < to; token++) {
    const Index b = token / l.length, t = token % l.length;
    const Index table = ((tableRows == 1 ? 0 : b) * l.length + t) * l.size;
    for (Index h = 0; h < l.heads; h++) {
      const Index row = (token * l.heads + h) * l.size, place = l.place(b, t, h);
      if (back) turn(byHead + place, cos + table, sin + table, scale, l.rotary, l.size, true, out + row);
      else turn(flat + row, cos + table, sin + table, scale, l.rotary, l.size, false, out + place);
    }
  }
}

}  // namespace heads
