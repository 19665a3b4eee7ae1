// Products of matrices as jobs of the WebAssembly engine: their arguments, in the order of wasmJobs.ts, and what computes some panels or rows of them.
#pragma once
#include "../compute/packedPanels.h"

namespace {

// Four vectors of rows by two of columns, which is what V8 keeps in registers.
using Vectors = product::Registers<16, 4>;

struct MatMul {
  const float *a, *b, *start;
  float* y;
  Index rows, inner, columns, aTransposed, bTransposed;
  // Numbers from one matrix of the batch to the next; 0: all the same.
  Index aStep, bStep, yStep;
};

// `from` and `to` count the panels of all products of the batch.
EVERY_PROCESSOR void matMul(const MatMul& m, Index from, Index to, float* room) {
  const Index panels = (m.columns + Vectors::kWide - 1) / Vectors::kWide;
  while (from < to) {
    const Index which = from / panels, first = from - which * panels, end = math::smaller(panels, first + to - from);
    const product::Product one{m.a + which * m.aStep, m.b + which * m.bStep, m.start == nullptr ? nullptr : m.start + which * m.yStep,
                               m.y + which * m.yStep, m.rows, m.inner, m.columns, m.aTransposed != 0, m.bTransposed != 0};
    product::panels<Vectors>(one, product::Floats{}, first, end, room);
    from += end - first;
  }
}

struct PackedMatMul {
  const float *x, *scales;
  const uint32_t* codes;
  float* y;
  Index rows, inner, columns, back, kind;
  product::Product form() const { return {x, nullptr, nullptr, y, rows, inner, columns, false, back != 0}; }
};

// Functions of their own, as small as may be.
template <class B>
EVERY_PROCESSOR void manyRows(const product::Product& p, const B& b, Index from, Index to, float* room) {
  product::panels<Vectors>(p, b, from, to, room);
}
template <class B>
EVERY_PROCESSOR void fewRows(const product::Product& p, const B& b, Index from, Index to, float* room) {
  panels::fewRows<Vectors>(p, b, from, to, room);
}
template <class B>
void multiplyPacked(const product::Product& p, const B& b, Index from, Index to, float* room) {
  if (p.rows > panels::kFewRows) manyRows(p, b, from, to, room);
  else fewRows(p, b, from, to, room);
}

EVERY_PROCESSOR void packedMatMul(const PackedMatMul& m, Index from, Index to, float* room) {
  if (m.back != 0) multiplyPacked(m.form(), panels::TurnedUnpacked{{{m.kind, m.codes, m.scales, m.columns, m.inner}}}, from, to, room);
  else multiplyPacked(m.form(), panels::StraightUnpacked{{{m.kind, m.codes, m.scales, m.inner, m.columns}}}, from, to, room);
}

struct PackedRows {
  const float* scales;
  const uint32_t* codes;
  const int32_t* ids;
  float* y;
  Index width, kind;
};

EVERY_PROCESSOR void packedRows(const PackedRows& r, Index from, Index to) {
  const packed::Matrix w{r.kind, r.codes, r.scales, r.width, 0};
  for (Index i = from; i < to; i++) packed::column(w, r.ids[i], r.y + i * r.width);
}

}  // namespace
