// The WebAssembly engine's kernels: one module, without a library and without data of its own, in which the caller's thread and its helpers
// run parts of a job on the memory that they share. src/tensor/backend/wasm/wasmKernels.ts writes the jobs.
#include "../compute/adamw.h"
#include "../compute/attention.h"
#include "../compute/dropout.h"
#include "../compute/elements.h"
#include "../compute/functions.h"
#include "../compute/heads.h"
#include "../compute/logProbs.h"
#include "../compute/matMul.h"
#include "../compute/nextToken.h"
#include "../compute/norm.h"
#include "../compute/softmax.h"
#include "../compute/swiglu.h"
#include "products.h"

namespace {

// As wasmJobs.ts numbers them.
enum Op {
  kMatMul,
  kPackedMatMul,
  kPackedRows,
  kNorm,
  kNormGrad,
  kSwiglu,
  kSwigluGrad,
  kSoftmax,
  kSoftmaxGrad,
  kAttention,
  kAttentionGrad,
  kNextToken,
  kSplitHeads,
  kMergeHeads,
  kLogProbs,
  kLogProbsGrad,
  kDropout,
  kAdamw,
  kGather,
  kScatter,
  kPairs,
  kEach,
  kCompare,
  kSelect,
  kSums,
  kCopies,
  kFill,
  kSequences,
};

// What is computed of a number, of two, and by a comparison of two; numbered as above.
enum Numbers { kNeg, kSquare, kSqrt, kSign, kAbs, kRsqrt, kSin, kCos, kFromInteger, kFromBool, kNot, kSame, kExp, kSigmoid, kTanh, kErf };
enum PairsOfNumbers { kAdd, kSubtract, kMultiply, kDivide, kLarger, kSmaller, kSquaredDifference };
enum Comparisons { kAtLeast, kAbove, kAtMost, kBelow };

// Memory that the threads of a job use as they like.
struct Rooms {
  char* all;
  int32_t each;
};

// Rows `from` to `to` of what an op computes; its arguments are four bytes each.
struct Job {
  int32_t op, count, each;
  const Rooms* rooms;
  int32_t arguments[24];

  template <class T>
  const T& as() const {
    return *reinterpret_cast<const T*>(arguments);
  }
};

struct Norm {
  const float *x, *added, *weight;
  float *sum, *y;
  Index width;
  float epsilon;
};

struct NormGrad {
  const float *dy, *x, *weight, *dsum;
  float* dx;
  Index width;
  float epsilon;
};

struct Swiglu {
  const float *gate, *up;
  float* y;
};

struct SwigluGrad {
  const float *dy, *gate, *up;
  float *dgate, *dup;
};

struct Softmax {
  // Scores; or dy and the shares.
  const float *x, *shares;
  float* y;
  Index width, length, past, window;
  const int32_t* holes;
  Index each;
  Seen seen() const { return {length, past, window, holes, each}; }
};

struct Attention {
  attention::Given given;
  const float* dy;
  float *logSums, *y, *dk, *dv;
  Index batch, heads, kv, size, rotary, window, length, tableRows, holeRows;
  float scale;
  attention::Form form() const { return {batch, heads, kv, size, rotary, window, length, tableRows, holeRows, scale}; }
};

struct NextToken {
  nextToken::Given given;
  float *keys, *values, *y;
  nextToken::Form form;
};

struct Heads {
  const float *x, *cos, *sin;
  float* y;
  Index tableRows, batch, heads, kv, size, rotary, length;
  float scale;
};

struct LogProbs {
  const float *dy, *x;
  const int32_t* ids;
  float *logProbs, *logSums, *dx;
  Index width;
};

struct Dropout {
  const float* x;
  float* y;
  const uint32_t* key;
  uint32_t before, module, limit;
  float scale;
};

struct Adamw {
  const float *parameter, *grad, *first, *second;
  const adamw::Numbers* numbers;
  float *parameterOut, *firstOut, *secondOut;
};

struct Gather {
  const float* x;
  const int32_t* places;
  float* y;
  Index width;
};

struct Scatter {
  const float* x;
  const int32_t* places;
  float* y;
  Index width, count, rows;
};

struct Pairs {
  elements::Pairs of;
  Index kind;
};

struct Each {
  const void* x;
  float* y;
  Index kind;
};

struct Compare {
  const float *a, *b;
  uint8_t* y;
  Index aEach, bEach, kind;
};

struct Select {
  const uint8_t* condition;
  const float *a, *b;
  float* y;
};

struct Copies {
  elements::Copies of;
  // Of a number: 4, or 1.
  Index bytes;
};

struct Fill {
  float* y;
  float value;
};

// Jobs one behind the other, several such sequences side by side.
struct Sequences {
  const struct Range {
    const Job* first;
    Index count;
  }* ranges;
};

EVERY_PROCESSOR void pairs(const Pairs& p, Index from, Index to) {
  switch (p.kind) {
    case kAdd: return elements::pairs(p.of, from, to, [](float a, float b) { return a + b; });
    case kSubtract: return elements::pairs(p.of, from, to, [](float a, float b) { return a - b; });
    case kMultiply: return elements::pairs(p.of, from, to, [](float a, float b) { return a * b; });
    case kDivide: return elements::pairs(p.of, from, to, [](float a, float b) { return a / b; });
    case kLarger: return elements::pairs(p.of, from, to, [](float a, float b) { return a > b || a != a ? a : b; });
    case kSmaller: return elements::pairs(p.of, from, to, [](float a, float b) { return a < b || a != a ? a : b; });
    case kSquaredDifference: return elements::pairs(p.of, from, to, [](float a, float b) { return (a - b) * (a - b); });
  }
}

EVERY_PROCESSOR void each(const Each& e, Index from, Index to) {
  const float* x = static_cast<const float*>(e.x);
  switch (e.kind) {
    case kNeg: return elements::each(x, e.y, from, to, [](float a) { return -a; });
    case kSquare: return elements::each(x, e.y, from, to, [](float a) { return a * a; });
    case kSqrt: return elements::each(x, e.y, from, to, [](float a) { return math::root(a); });
    case kSign: return elements::each(x, e.y, from, to, [](float a) { return a > 0 ? 1.0f : (a < 0 ? -1.0f : (a == 0 ? 0.0f : a)); });
    case kAbs: return elements::each(x, e.y, from, to, [](float a) { return __builtin_fabsf(a); });
    case kRsqrt: return elements::each(x, e.y, from, to, [](float a) { return 1.0f / math::root(a); });
    case kSin: return elements::each(x, e.y, from, to, [](float a) { return functions::wave(a, 0); });
    case kCos: return elements::each(x, e.y, from, to, [](float a) { return functions::wave(a, 1); });
    case kFromInteger:
      for (Index i = from; i < to; i++) e.y[i] = static_cast<float>(static_cast<const int32_t*>(e.x)[i]);
      return;
    case kFromBool:
      for (Index i = from; i < to; i++) e.y[i] = static_cast<const uint8_t*>(e.x)[i];
      return;
    case kExp: return elements::each(x, e.y, from, to, [](float a) { return math::exponential(a); });
    case kSigmoid: return elements::each(x, e.y, from, to, [](float a) { return 1.0f / (1.0f + math::exponential(-a)); });
    case kTanh: return elements::each(x, e.y, from, to, [](float a) { return functions::tangent(a); });
    case kErf: return elements::each(x, e.y, from, to, [](float a) { return functions::errorFunction(a); });
    case kSame: return elements::each(x, e.y, from, to, [](float a) { return a; });
    case kNot:
      for (Index i = from; i < to; i++) reinterpret_cast<uint8_t*>(e.y)[i] = static_cast<const uint8_t*>(e.x)[i] == 0 ? 1 : 0;
      return;
  }
}

INLINE bool compared(Index kind, float a, float b) {
  switch (kind) {
    case kAtLeast: return a >= b;
    case kAbove: return a > b;
    case kAtMost: return a <= b;
    default: return a < b;
  }
}

void turnHeads(const Heads& h, bool back, Index from, Index to) {
  heads::tokens(h.x, h.x, h.cos, h.sin, h.tableRows, h.scale, {h.batch, h.heads, h.kv, h.size, h.rotary, h.length}, back, from, to, h.y);
}

}  // namespace

#define EXPORT(name) extern "C" __attribute__((export_name(name)))

// Part `index` of a job, by a thread that has room of its own.
EXPORT("task") void task(const Job* job, Index index, Index thread) {
  const Index from = index * job->each, to = math::smaller(from + job->each, job->count);
  float* room = reinterpret_cast<float*>(job->rooms->all + thread * job->rooms->each);
  switch (job->op) {
    case kMatMul: matMul(job->as<MatMul>(), from, to, room); break;
    case kPackedMatMul: packedMatMul(job->as<PackedMatMul>(), from, to, room); break;
    case kPackedRows: packedRows(job->as<PackedRows>(), from, to); break;
    case kNorm: {
      const auto& a = job->as<Norm>();
      norm::forward(a.x, a.added, a.weight, a.epsilon, a.width, from, to, a.sum, a.y);
      break;
    }
    case kNormGrad: {
      const auto& a = job->as<NormGrad>();
      norm::backward(a.dy, a.x, a.weight, a.dsum, a.epsilon, a.width, from, to, a.dx);
      break;
    }
    case kSwiglu: {
      const auto& a = job->as<Swiglu>();
      swiglu::forward(a.gate, a.up, from, to, a.y);
      break;
    }
    case kSwigluGrad: {
      const auto& a = job->as<SwigluGrad>();
      swiglu::backward(a.dy, a.gate, a.up, from, to, a.dgate, a.dup);
      break;
    }
    case kSoftmax: {
      const auto& a = job->as<Softmax>();
      softmax::forward(a.x, a.seen(), a.width, from, to, a.y);
      break;
    }
    case kSoftmaxGrad: {
      const auto& a = job->as<Softmax>();
      softmax::backward(a.x, a.shares, a.seen(), a.width, from, to, a.y);
      break;
    }
    case kAttention: {
      const auto& a = job->as<Attention>();
      const attention::Form form = a.form();
      for (Index item = from; item < to; item++) attention::forward(form, a.given, item, {room}, a.y, a.logSums);
      break;
    }
    case kAttentionGrad: {
      const auto& a = job->as<Attention>();
      const attention::Form form = a.form();
      for (Index item = from; item < to; item++) attention::backward(form, a.given, a.dy, a.logSums, item, {room}, {a.y, a.dk, a.dv});
      break;
    }
    case kNextToken: {
      const auto& a = job->as<NextToken>();
      for (Index item = from; item < to; item++) nextToken::forward(a.form, a.given, item, room, a.keys, a.values, a.y);
      break;
    }
    case kSplitHeads: turnHeads(job->as<Heads>(), false, from, to); break;
    case kMergeHeads: turnHeads(job->as<Heads>(), true, from, to); break;
    case kLogProbs: {
      const auto& a = job->as<LogProbs>();
      logProbs::forward(a.x, a.ids, a.width, from, to, a.logProbs, a.logSums);
      break;
    }
    case kLogProbsGrad: {
      const auto& a = job->as<LogProbs>();
      logProbs::backward(a.dy, a.x, a.logSums, a.ids, a.width, from, to, a.dx);
      break;
    }
    case kDropout: {
      const auto& a = job->as<Dropout>();
      dropout::run(a.x, *a.key + a.before, a.module, a.limit, a.scale, from, to, a.y);
      break;
    }
    case kAdamw: {
      const auto& a = job->as<Adamw>();
      adamw::run(a.parameter, a.grad, a.first, a.second, *a.numbers, from, to, a.parameterOut, a.firstOut, a.secondOut);
      break;
    }
    case kGather: {
      const auto& a = job->as<Gather>();
      elements::gather(a.x, a.places, a.width, from, to, a.y);
      break;
    }
    case kScatter: {
      const auto& a = job->as<Scatter>();
      elements::scatter(a.x, a.places, a.count, a.rows, a.width, from, to, a.y);
      break;
    }
    case kPairs: pairs(job->as<Pairs>(), from, to); break;
    case kEach: each(job->as<Each>(), from, to); break;
    case kCompare: {
      const auto& a = job->as<Compare>();
      for (Index i = from; i < to; i++) a.y[i] = compared(a.kind, a.a[i * a.aEach], a.b[i * a.bEach]) ? 1 : 0;
      break;
    }
    case kSelect: {
      const auto& a = job->as<Select>();
      for (Index i = from; i < to; i++) a.y[i] = a.condition[i] ? a.a[i] : a.b[i];
      break;
    }
    case kSums: elements::sums(job->as<elements::Sums>(), from, to); break;
    case kCopies:
      if (job->as<Copies>().bytes == 1) elements::copies<uint8_t>(job->as<Copies>().of, from, to);
      else elements::copies<float>(job->as<Copies>().of, from, to);
      break;
    case kFill: math::fill(job->as<Fill>().y + from, to - from, job->as<Fill>().value); break;
    case kSequences: {
      const auto* ranges = job->as<Sequences>().ranges;
      for (Index i = from; i < to; i++)
        for (Index j = 0; j < ranges[i].count; j++) task(ranges[i].first + j, 0, thread);
      break;
    }
  }
}

// Bytes of room that a thread needs for a job.
EXPORT("roomOf") Index roomOf(const Job* job) {
  const Index each = sizeof(float);
  if (job->op == kAttention || job->op == kAttentionGrad) return attention::roomOf(job->as<Attention>().form(), job->op == kAttentionGrad) * each;
  if (job->op == kNextToken) return nextToken::roomOf(job->as<NextToken>().form) * each;
  if (job->op == kPackedMatMul) return panels::roomOfPacked<Vectors>(job->as<PackedMatMul>().form()) * each;
  if (job->op != kMatMul) return 0;
  const auto& m = job->as<MatMul>();
  return product::roomOf<Vectors>({m.a, m.b, m.start, m.y, m.rows, m.inner, m.columns, m.aTransposed != 0, m.bTransposed != 0}) * each;
}
