// adamw.cu — the CUDA twin of adamw.cpp, where the mathematics stands: one thread for each element; the norm in two stages, in double.
#include <cmath>
#include "cuda/dot.h"
#include "cuda/element.h"
#include "kernels.h"

namespace siglip::inline SIGLIP_FLAVOUR::cuda {
__global__ void adamw_update_element(Real* p, Real* m, Real* v, const Real* g, Dim N, Real b1, Real b2, Real one_b1, Real one_b2, Real rate,
                                     Real root, Real floor, Real keep, Real scale) {
  const Dim i = element();
  if (i >= N) return;
  const Real gi = scale * g[i], mi = b1 * m[i] + one_b1 * gi, vi = b2 * v[i] + one_b2 * gi * gi;
  m[i] = mi;
  v[i] = vi;
  p[i] = keep * p[i] - rate * mi / (std::sqrt(vi) * root + floor);
}

void adamw_update(Real* p, Real* m, Real* v, const Real* g, Dim N, double lr, double beta1, double beta2, double eps, double decay,
                  double correction1, double correction2, double grad_scale) {
  const auto real = [](double x) { return static_cast<Real>(x); };
  KERNEL_LAUNCH(adamw_update_element, element_grid(N), element_threads, p, m, v, g, N, real(beta1), real(beta2), real(1 - beta1), real(1 - beta2),
                real(lr / correction1), real(1 / std::sqrt(correction2)), real(eps), real(1 - lr * decay), real(grad_scale));
}

void sum_of_squares(double* sum, const Real* x, Dim N) { dot(sum, x, x, N); }
}  // namespace siglip::inline SIGLIP_FLAVOUR::cuda
