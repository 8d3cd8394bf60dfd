// session.h — everything a run is made of, and how it is saved.
#pragma once
#include <memory>
#include "siglip/train.h"
#include "train/run_folder.h"

namespace siglip::inline SIGLIP_FLAVOUR {
struct Session {
  TrainConfig config;
  std::unique_ptr<RunFolder> run;
  std::ostream* log = nullptr;
  std::unique_ptr<Tokenizer> tokenizer;
  std::vector<NamedSamples> splits;  // train first
  Siglip model;
  AdamW optimizer;
  Ids class_texts;
  KnownLabels labels;
  std::string fingerprint;  // of the data: resuming on other pictures or captions is refused
  // What a checkpoint adds to the tensors.
  Dim step = 0;
  double moving_loss = 0, best_score = -1, seconds = 0;
  std::vector<Evaluation> best = {};
};

/// Reads the data, learns the tokenizer (or takes that of `run`, when resuming), initialises the model. The run folder is made last, so that a
/// mistake in data or settings leaves nothing behind.
Session set_up(TrainConfig config, std::unique_ptr<RunFolder> run, std::ostream& log);
/// Weights as the seed has them, on the run's device, and an optimizer that has seen nothing.
void start_model(Session& session);
/// What the number of steps decides: warm-up, and when to evaluate and to save.
void resolve_steps(TrainConfig& config);
/// The checkpoint that a run continues from: `last`, or `best` where the run ended before it had a `last`. Throws Error if there is neither.
std::string checkpoint_to_resume(const RunFolder& run);
/// Commits the checkpoint folder `name` of the run: model, config, tokenizer, preprocessing, training state, checksums. Throws Error, leaving what
/// was there, if a tensor of the model or the optimizer is not finite.
void save(const Session& session, const char* name);
/// Continues from checkpoint_to_resume(). Throws Error if settings or data are not those the run began with, or the state does not fit together.
void load_state(Session& session);
/// The Error of a run whose numbers left the finite ones at `step`.
[[noreturn]] void stop_not_finite(const Session& session, Dim step, const std::string& what);
/// Lists in RUN/skipped.txt the pictures that could not be read, if there are any.
void write_skipped(const Session& session);
/// One line for the end of training: how many pictures were left out and where they are listed; empty if none was.
std::string left_out(const Session& session);
}  // namespace siglip::inline SIGLIP_FLAVOUR
