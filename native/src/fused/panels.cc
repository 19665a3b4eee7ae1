#include "../compute/panels.h"

#include "../parallel.h"
#include "byProcessor.h"
#include "fused.h"
#include "room.h"
#include "tiles.h"

namespace {

// Of sizes: a matrix [inner, columns].
Shape panelsOf(const Sizes& sizes) { return {panels::sizeOf(sizes[0], sizes[1])}; }

struct Laying {
  const float* from;
  bool turned;
  Index inner, columns;
  float* to;

  template <class R>
  MEMBER void some(Index first, Index end) const {
    for (Index at = first; at < end; at++) panels::lay<R>(from, turned, inner, columns, at, to + at * inner * panels::kWide);
  }
};

struct Multiplying {
  panels::Product product;

  template <class R>
  MEMBER void some(Index from, Index to) const {
    if (product.turned) tiles::multiply<R>(product.form(), panels::Turned{product.w}, from, to);
    else tiles::multiply<R>(product.form(), panels::Straight{product.w}, from, to);
  }
};

struct Merging {
  panels::Merge merge;

  template <class R>
  MEMBER void some(Index from, Index to) const {
    panels::some<R>(merge, from, to, room(panels::roomOf<R>(merge)));
  }
};

}  // namespace

namespace fused {

// x [inner, columns], or [columns, inner] where sizes say turned, as panels.
std::string panelsShapes(const Shapes& in, const Sizes& sizes, Shapes* out) {
  if (sizes.size() != 3 || sizes[2] > 1) return "takes inner, columns and 1 for turned as its sizes";
  const bool turned = sizes[2] == 1;
  if (in[0] != (turned ? Shape{sizes[1], sizes[0]} : Shape{sizes[0], sizes[1]})) return "takes a matrix of its sizes";
  *out = {panelsOf(sizes)};
  return "";
}
void panels(const Inputs& in, const Sizes& sizes, float, const Outputs& out) {
  const Laying laying{in[0].floats(), sizes[2] == 1, sizes[0], sizes[1], out[0]};
  parallel::rows(::panels::countOf(sizes[1]), sizes[0] * sizes[1],
                 [&](int64_t from, int64_t to) { ByProcessor<Laying>::run(laying, from, to); });
}

// x W, or x W^T where sizes say turned, W [inner, columns] in panels.
std::string panelMatMulShapes(const Shapes& in, const Sizes& sizes, Shapes* out) {
  if (sizes.size() != 3 || sizes[2] > 1) return "takes inner, columns and 1 for turned as its sizes";
  const bool turned = sizes[2] == 1;
  if (in[0].size() != 2 || in[0][1] != sizes[turned ? 1 : 0]) return "takes rows as wide as the matrix";
  if (in[1] != panelsOf(sizes)) return "was given panels of another matrix";
  *out = {{in[0][0], sizes[turned ? 0 : 1]}};
  return "";
}
void panelMatMul(const Inputs& in, const Sizes& sizes, float, const Outputs& out) {
  const Multiplying multiplying{{in[0].floats(), {in[1].floats(), sizes[0], sizes[1]}, out[0], in[0].shape[0], sizes[2] == 1}};
  const Index wide = ByProcessor<Multiplying>::wide(), columns = sizes[sizes[2] == 1 ? 0 : 1];
  parallel::rows((columns + wide - 1) / wide, product::costOf(multiplying.product.form()),
                 [&](int64_t from, int64_t to) { ByProcessor<Multiplying>::run(multiplying, from, to); });
}

// Columns of W [inner, columns].
std::string panelRowsShapes(const Shapes& in, const Sizes& sizes, Shapes* out) {
  if (sizes.size() != 2) return "takes inner and columns as its sizes";
  if (in[0] != panelsOf(sizes)) return "was given panels of another matrix";
  if (in[1].size() != 1) return "takes ids [N]";
  *out = {{in[1][0], sizes[0]}};
  return "";
}
std::string panelRowsValues(const Inputs& in, const Sizes& sizes) { return idsWithin(in[1], sizes[1]); }
void panelRows(const Inputs& in, const Sizes& sizes, float, const Outputs& out) {
  const ::panels::Matrix w{in[0].floats(), sizes[0], sizes[1]};
  parallel::rows(in[1].shape[0], in[1].shape[0] * w.inner, [&](int64_t from, int64_t to) {
    for (Index i = from; i < to; i++) {
      const Index id = in[1].ints()[i];
      const float* column = w.at(id / ::panels::kWide, 0) + id % ::panels::kWide;
      for (Index k = 0; k < w.inner; k++) out[0][i * w.inner + k] = column[k * ::panels::kWide];
    }
  });
}

// W + a b in panels, and where sizes say both its transposed; else one 0.
std::string mergePanelsShapes(const Shapes& in, const Sizes& sizes, Shapes* out) {
  if (sizes.size() != 3 || sizes[2] > 1) return "takes inner, columns and 1 for both as its sizes";
  if (in[0] != panelsOf(sizes)) return "was given panels of another matrix";
  if (in[1].size() != 2 || in[1][0] != sizes[0] || in[2] != Shape{in[1][1], sizes[1]}) return "takes a [inner, rank] and b [rank, columns]";
  *out = {in[0], sizes[2] == 1 ? panelsOf({sizes[1], sizes[0]}) : Shape{1}};
  return "";
}
void mergePanels(const Inputs& in, const Sizes& sizes, float, const Outputs& out) {
  const Index rank = in[1].shape[1];
  const bool both = sizes[2] == 1;
  if (!both) out[1][0] = 0.0f;
  const Merging merging{{{in[0].floats(), sizes[0], sizes[1]}, in[1].floats(), in[2].floats(), rank, out[0], both ? out[1] : nullptr}};
  parallel::rows(::panels::countOf(sizes[1]), sizes[0] * sizes[1] * (4 + rank / 8),
                 [&](int64_t from, int64_t to) { ByProcessor<Merging>::run(merging, from, to); });
}

}  // namespace fused
