// Which keys a query sees, and sums over them.
#pragma once
#include <algorithm>
#include <cstdint>
#include <string>

#include "fused.h"
#include "math.h"

struct Seen {
  int64_t length, past, window;
  const int32_t* holes;
  // Rows of scores per hole.
  int64_t each;

  int64_t first(int64_t row) const { return window > 0 ? std::max<int64_t>(0, past + row % length + 1 - window) : 0; }
  int64_t end(int64_t row) const { return past + row % length + 1; }
  // What of first .. end is not seen: from .. to, empty where all is.
  void hole(int64_t row, int64_t* from, int64_t* to) const {
    const int32_t* own = holes + 2 * (row / each);
    const int64_t first_ = first(row), end_ = end(row);
    *from = *to = end_;
    if (own[1] <= own[0] || end_ <= own[1]) return;
    *from = std::max<int64_t>(first_, own[0]);
    *to = std::max<int64_t>(*from, own[1]);
  }
};

// exp(x - most) of from .. to into y; its sum.
INLINE float powers(const float* x, float most, int64_t from, int64_t to, float* y) {
  float lanes[math::kLanes] = {0};
  int64_t i = from;
  for (; i + math::kLanes <= to; i += math::kLanes)
    for (int lane = 0; lane < math::kLanes; lane++) {
      const float value = math::exponential(x[i + lane] - most);
      y[i + lane] = value;
      lanes[lane] += value;
    }
  for (; i < to; i++) {
    y[i] = math::exponential(x[i] - most);
    lanes[0] += y[i];
  }
  return math::sumLanes(lanes);
}

INLINE float dot(const float* a, const float* b, int64_t from, int64_t to) {
  float lanes[math::kLanes] = {0};
  int64_t i = from;
  for (; i + math::kLanes <= to; i += math::kLanes)
    for (int lane = 0; lane < math::kLanes; lane++) lanes[lane] += a[i + lane] * b[i + lane];
  for (; i < to; i++) lanes[0] += a[i] * b[i];
  return math::sumLanes(lanes);
}
