// progress.h — where training stands: one line that is rewritten in place on a terminal, plain lines now and then elsewhere.
#pragma once
#include <chrono>
#include <ostream>
#include <string>
#include "siglip/real.h"

namespace siglip::inline SIGLIP_FLAVOUR {
struct ProgressOptions {
  bool terminal = false;              // the stream is one (isatty)
  bool color = false;                 // a terminal, and NO_COLOR is not set
  int width = 80;                     // columns of the terminal; nothing longer is ever rewritten
  Dim total = 0;                      // steps of the whole run; 0 if unknown
  double seconds_between_lines = 10;  // where lines are plain
};

/// step()s that come faster than a terminal's reader can follow are left out there, except the first and the last.
class Progress {
 public:
  Progress(std::ostream& out, const ProgressOptions& options);
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  /// After step `step` (1 … total). wait_share: the part of the time spent waiting for data, 0 … 1.
  void step(Dim step, double loss, double mean_loss, double samples_per_second, double wait_share, double seconds_left);
  /// A line of its own, above the one that is rewritten.
  void message(const std::string& text);
  /// Ends the line that is rewritten. Called by the destructor too.
  void finish();

 private:
  using Clock = std::chrono::steady_clock;
  void show(const std::string& line, int columns);
  void wipe();

  std::ostream& out_;
  ProgressOptions options_;
  std::string latest_;      // the last step's line, shown or not
  int latest_columns_ = 0;  // its width without colour
  int shown_columns_ = 0;   // what stands on the line that is rewritten
  bool pending_ = false;    // latest_ is not shown yet
  bool started_ = false;
  Clock::time_point last_;
};

/// "2:05", "1:02:05", "3 d 4 h"; "?" if it is not a time.
std::string duration_text(double seconds);
}  // namespace siglip::inline SIGLIP_FLAVOUR
