// progress.cpp — where training stands.
#include "train/progress.h"
#include <algorithm>
#include <cmath>
#include <cstdio>

namespace siglip::inline SIGLIP_FLAVOUR {
namespace {
constexpr double seconds_between_rewrites = 0.1;
constexpr int longest_bar = 24, shortest_bar = 8;

std::string number(const char* format, double value) {
  char text[64];
  std::snprintf(text, sizeof text, format, value);
  return text;
}

std::string loss_text(double loss) {
  if (!std::isfinite(loss)) return std::isnan(loss) ? "nan" : loss > 0 ? "inf" : "-inf";
  return number(std::abs(loss) < 1e-3 || std::abs(loss) >= 1e5 ? "%.2e" : "%.4f", loss);
}

std::string bar(double done, int columns) {
  const int full = static_cast<int>(std::lround(done * columns));
  std::string text = "[";
  for (int i = 0; i < columns; ++i) text += i < full ? '=' : i == full ? '>' : ' ';
  return text + "]";
}

struct Words {
  std::string place, loss, mean, left, speed, wait;
};

std::string plain_line(const Words& words) {
  return "step " + words.place + "  " + words.loss + "  " + words.mean + "  " + words.speed + "  " + words.wait + "  " + words.left;
}

struct Line {
  std::string text;
  int columns;
};

/// Parts in order of importance: what does not fit is left out, and the bar takes what remains. The last column stays free, because some
/// terminals wrap there.
Line terminal_line(const Words& words, double done, const ProgressOptions& options) {
  const int width = std::max(1, options.width - 1);
  std::string head = words.place + "  ", tail;
  const auto room = [&] { return width - static_cast<int>(head.size() + words.loss.size() + tail.size()); };
  if (room() < 0) {
    const std::string cut = (head + words.loss).substr(0, static_cast<std::size_t>(width));
    return {cut, static_cast<int>(cut.size())};
  }
  for (const std::string& part : {words.mean, words.left, words.speed, words.wait})
    if (static_cast<int>(part.size()) + 2 <= room()) tail += "  " + part;
  if (const int columns = std::min(longest_bar, room() - 4); options.total > 0 && columns >= shortest_bar) head = bar(done, columns) + "  " + head;
  const int columns = static_cast<int>(head.size() + words.loss.size() + tail.size());
  return {options.color ? head + "\x1b[1m" + words.loss + "\x1b[0m" + tail : head + words.loss + tail, columns};
}
}  // namespace

std::string duration_text(double seconds) {
  if (!(seconds >= 0) || seconds > 1e9) return "?";
  const long long whole = std::llround(seconds);
  char text[64];
  if (whole < 3600)
    std::snprintf(text, sizeof text, "%lld:%02lld", whole / 60, whole % 60);
  else if (whole < 2 * 86400)
    std::snprintf(text, sizeof text, "%lld:%02lld:%02lld", whole / 3600, whole / 60 % 60, whole % 60);
  else
    std::snprintf(text, sizeof text, "%lld d %lld h", whole / 86400, whole / 3600 % 24);
  return text;
}

Progress::Progress(std::ostream& out, const ProgressOptions& options) : out_(out), options_(options) {}
Progress::~Progress() { finish(); }

void Progress::step(Dim step, double loss, double mean_loss, double samples_per_second, double wait_share, double seconds_left) {
  const bool known = options_.total > 0;
  const Words words{.place = std::to_string(step) + (known ? "/" + std::to_string(options_.total) : ""),
                    .loss = "loss " + loss_text(loss),
                    .mean = "mean " + loss_text(mean_loss),
                    .left = duration_text(seconds_left) + " left",
                    .speed = number(samples_per_second < 10 ? "%.1f" : "%.0f", samples_per_second) + " samples/s",
                    .wait = "data wait " + number("%.0f", 100 * wait_share) + "%"};
  const double done = known ? std::clamp(static_cast<double>(step) / static_cast<double>(options_.total), 0.0, 1.0) : 0;
  const Line line = options_.terminal ? terminal_line(words, done, options_) : Line{plain_line(words), 0};
  latest_ = line.text, latest_columns_ = line.columns, pending_ = true;

  const Clock::time_point now = Clock::now();
  const double pause = options_.terminal ? seconds_between_rewrites : options_.seconds_between_lines;
  if (started_ && step != options_.total && std::chrono::duration<double>(now - last_).count() < pause) return;
  started_ = true, last_ = now;
  show(latest_, latest_columns_);
}

void Progress::show(const std::string& line, int columns) {
  pending_ = false;
  if (!options_.terminal) {
    out_ << line << std::endl;
    return;
  }
  // Spaces, not an escape sequence, cover what a longer line left behind.
  out_ << '\r' << line << std::string(static_cast<std::size_t>(std::max(0, shown_columns_ - columns)), ' ') << std::flush;
  shown_columns_ = std::max(columns, 1);
}

void Progress::wipe() {
  if (shown_columns_ > 0) out_ << '\r' << std::string(static_cast<std::size_t>(shown_columns_), ' ') << '\r';
  shown_columns_ = 0;
}

void Progress::message(const std::string& text) {
  const bool again = shown_columns_ > 0;
  wipe();
  out_ << text << std::endl;
  if (again) show(latest_, latest_columns_);
}

void Progress::finish() {
  if (pending_) show(latest_, latest_columns_);
  if (shown_columns_ > 0) out_ << std::endl;
  shown_columns_ = 0;
}
}  // namespace siglip::inline SIGLIP_FLAVOUR
