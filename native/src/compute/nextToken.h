// Attention of one more token of every row to itself and to what a cache with places to spare holds, which takes its key and value in: q [B, H * hd],
// k and v [B, KV * hd]; keys [B * KV, hd, P], values [B * KV, P, wide], 0 behind each head's hd. Row b sees the places
// seen[b][0] .. seen[b][1], the last of which is its own. q and k are turned by their positions (cos and sin [1 or B, 1, hd]) and q is scaled;
// cap: cap tanh(score / cap), 0: none.
#pragma once
#include "functions.h"
#include "math.h"
#include "product.h"
#include "seen.h"
#include "turn.h"

namespace nextToken {

struct Form {
  Index batch, heads, kv, size, rotary, places, wide, tableRows;
  float scale;
  Index group() const { return heads / kv; }
};

struct Given {
  const float *q, *k, *v, *cos, *sin;
  const int32_t* seen;
  const float* cap;
};

// Numbers of room that a thread needs.
INLINE Index roomOf(const Form& f) { return f.group() * (2 * f.wide + f.places) + f.wide; }

EVERY_PROCESSOR void forward(const Form& f, const Given& in, Index item, float* room, float* allKeys, float* allValues, float* y) {
  const Index b = item / f.kv, head = item % f.kv, group = f.group(), wide = f.wide, angle = f.tableRows == 1 ? 0 : b * f.size;
  const Index first = in.seen[2 * b], own = in.seen[2 * b + 1], end = own + 1;
  const float *cos = in.cos + angle, *sin = in.sin + angle;
  float* keys = allKeys + item * f.size * f.places;
  float* values = allValues + item * f.places * wide;
  float* q = room;
  float* scores = q + group * wide;
  float* mixed = scores + group * f.places;
  float* key = mixed + group * wide;
  turn(in.k + (b * f.kv + head) * f.size, cos, sin, 1.0f, f.rotary, f.size, false, key);
  for (Index d = 0; d < f.size; d++) keys[d * f.places + own] = key[d];
  math::copy(in.v + (b * f.kv + head) * f.size, f.size, values + own * wide);
  for (Index g = 0; g < group; g++)
    turn(in.q + (b * f.heads + head * group + g) * f.size, cos, sin, f.scale, f.rotary, f.size, false, q + g * wide);
  const float cap = in.cap[0];
  for (Index row = 0; row < group; row += product::kTile) {
    const Index count = math::smaller(product::kTile, group - row);
    product::rows(count, product::Left{q + row * wide, wide, 1}, keys, f.places, f.size, product::padded(end), false, scores + row * f.places,
                  f.places);
    for (Index i = row; i < row + count; i++) {
      float* score = scores + i * f.places;
      if (cap > 0)
        for (Index s = first; s < end; s++) score[s] = cap * functions::tangent(score[s] / cap);
      const float most = largest(score, first, end, end, end);
      const float scale = 1.0f / powers(score, most, first, end, score);
      for (Index s = first; s < end; s++) score[s] *= scale;
    }
    product::rows(count, product::Left{scores + row * f.places + first, f.places, 1}, values + first * wide, wide, end - first, wide, false,
                  mixed + row * wide, wide);
  }
  for (Index g = 0; g < group; g++) math::copy(mixed + g * wide, f.size, y + (b * f.heads + head * group + g) * f.size);
}

}  // namespace nextToken
