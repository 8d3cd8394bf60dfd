// run_folder.h — what a run leaves on disk: RUN/{train.json, results.csv, log.jsonl, skipped.txt, last/, best/, summary.json, report.html}.
#pragma once
#include <fstream>
#include <string>
#include "report/report.h"
#include "siglip/train.h"

namespace siglip::inline SIGLIP_FLAVOUR {
/// The folder of a run, held by a lock: a second process on it gets one clear line.
class RunFolder {
 public:
  /// `out`, which must not hold a run yet, or a new runs/train/NAME, NAME2, … if it is empty.
  static RunFolder create(const std::string& out, const std::string& name);
  /// An existing run, or the newest below runs/train for "latest".
  static RunFolder open(const std::string& run);
  ~RunFolder();
  RunFolder(RunFolder&& other) noexcept;
  RunFolder& operator=(RunFolder&&) = delete;
  const std::string& path() const { return path_; }
  std::string file(const char* name) const { return path_ + "/" + name; }

 private:
  explicit RunFolder(std::string path);
  void remove_leftovers() const;
  std::string path_;
  int lock_ = -1;
};
/// Throws Error if a run of these settings would lie in the folder of its data, whose next reader would find it there.
void require_apart(const TrainConfig& config);
/// Throws Error, naming `file`, the run's train.json, if its data are not where it says.
void require_data(const TrainConfig& config, const std::string& file);
/// Whether both name the same file or folder, however they are spelled.
bool is_same_path(const std::string& a, const std::string& b);
/// "latest" resolved to the newest run below runs/train; any other path as it is.
std::string run_path(const std::string& run);

/// The text as one word of a command, 'in single quotes' where a shell would not take it as it stands.
std::string shell_word(const std::string& text);

/// results.csv and log.jsonl, a row a step.
class RunLog {
 public:
  /// Keeps the rows of steps up to `last_step` and goes on after them.
  RunLog(const RunFolder& run, Dim last_step);
  void write(const LogRow& row, const std::vector<Evaluation>& evaluations);
  /// Waits until the rows are on the disk: a checkpoint must not outlive them.
  void flush() const;

 private:
  std::ofstream csv_, jsonl_;
  std::string csv_path_, jsonl_path_;
};

/// What log.jsonl holds, read back.
struct RunHistory {
  std::vector<LogRow> log;
  std::vector<EvalRow> evaluations;
};
RunHistory read_history(const std::string& run);

/// What goes with the figures; steps 0, fold "" and no classes are not mentioned, nor is device memory of 0.
struct RunFacts {
  Dim steps = 0;
  double seconds = 0;
  std::int64_t memory = 0, device_memory = 0;
  std::string fold = {};
  std::vector<std::string> classes = {};
};
/// The contract of eval --json and summary.json.
std::string evaluations_json(const std::vector<Evaluation>& evaluations, const RunFacts& facts);
}  // namespace siglip::inline SIGLIP_FLAVOUR
