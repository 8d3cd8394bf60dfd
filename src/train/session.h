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
  std::string fingerprint;  // of the data: resuming on other pictures or captions is refused
  // What a checkpoint adds to the tensors.
  Dim step = 0;
  double moving_loss = 0, best_score = -1, seconds = 0;
  std::vector<Evaluation> best = {};
};

/// Reads the data, learns the tokenizer (or takes that of `run`, when resuming), initialises the model. The run folder is made last, so that a
/// mistake in data or settings leaves nothing behind.
Session set_up(TrainConfig config, std::unique_ptr<RunFolder> run, std::ostream& log);
/// Commits the checkpoint folder `name` of the run: model, config, tokenizer, preprocessing; with the training state for resuming.
void save(const Session& session, const char* name, bool with_training_state);
/// Continues from the run's `last`. Throws Error if the data are not those the run began with.
void load_state(Session& session);
}  // namespace siglip::inline SIGLIP_FLAVOUR
