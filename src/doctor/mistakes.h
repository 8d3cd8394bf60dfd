// mistakes.h — the well-known mistakes: each one planted by a small change of weights, inputs or the forward pass.
#pragma once
#include <functional>
#include <string>
#include <vector>
#include "doctor/trial.h"

namespace siglip::inline SIGLIP_FLAVOUR {
/// Where a mistake sits; it shows in all that comes after.
enum Stage : unsigned { in_pixels = 1, in_ids = 2, in_vision = 4, in_text = 8, in_logits = 16, in_loss = 32 };

struct Mistake {
  std::string name;    // "erf-gelu"; one mistake may stand in the table for each tower
  std::string what;    // "the exact GELU (erf) is computed", a clause
  std::string advice;  // what to do about it, a clause
  Stage stage;
  std::function<bool(Trial&)> plant;  // false: cannot be made with this model and these inputs
  bool variant = false;               // another published way: it explains a difference, but nothing is wrong
};
std::vector<Mistake> known_mistakes();

// The parts of the table.
void add_input_mistakes(std::vector<Mistake>& all);
void add_encoder_mistakes(std::vector<Mistake>& all, Tower tower);  // what both towers share
void add_tower_mistakes(std::vector<Mistake>& all);                 // what only one has
void add_score_mistakes(std::vector<Mistake>& all);

/// f(row, column) of a matrix of x's shape: the element of x that stands there.
Tensor rearranged(const Tensor& x, const std::function<Dim(Dim, Dim)>& source);
Tensor scaled(const Tensor& x, double factor);
Tensor zeros(const Tensor& x);
}  // namespace siglip::inline SIGLIP_FLAVOUR
