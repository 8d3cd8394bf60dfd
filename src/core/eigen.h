// eigen.h — Eigen, which is included here and nowhere else. It computes with one thread inside blocks that we cut, so that the bits do not
// depend on the number of threads.
#pragma once
#define EIGEN_DONT_PARALLELIZE
#include <Eigen/Core>
#include "siglip/real.h"

namespace siglip::inline SIGLIP_FLAVOUR {
// Row-major matrices, and flat arrays for elementwise mathematics. Stride: of a matrix that is part of a wider one.
using Matrix = Eigen::Matrix<Real, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
using MatrixMap = Eigen::Map<Matrix, 0, Eigen::OuterStride<>>;
using ConstMatrixMap = Eigen::Map<const Matrix, 0, Eigen::OuterStride<>>;
using ArrayMap = Eigen::Map<Eigen::Array<Real, Eigen::Dynamic, 1>>;
using ConstArrayMap = Eigen::Map<const Eigen::Array<Real, Eigen::Dynamic, 1>>;

inline MatrixMap matrix(Real* x, Dim rows, Dim columns) { return {x, rows, columns, Eigen::OuterStride<>(columns)}; }
inline ConstMatrixMap matrix(const Real* x, Dim rows, Dim columns) { return {x, rows, columns, Eigen::OuterStride<>(columns)}; }
inline MatrixMap matrix(Real* x, Dim rows, Dim columns, Dim stride) { return {x, rows, columns, Eigen::OuterStride<>(stride)}; }
inline ConstMatrixMap matrix(const Real* x, Dim rows, Dim columns, Dim stride) { return {x, rows, columns, Eigen::OuterStride<>(stride)}; }
}  // namespace siglip::inline SIGLIP_FLAVOUR
