// The training line, as a terminal and as a log file see it.
#include <doctest/doctest.h>
#include <algorithm>
#include <limits>
#include <sstream>
#include <vector>
#include "train/progress.h"
using namespace siglip;

namespace {
/// What a terminal shows: its finished lines and the one the cursor is in. Colours are dropped.
struct Screen {
  std::vector<std::string> lines{""};
  std::size_t column = 0, widest = 0;
  explicit Screen(const std::string& bytes) {
    for (std::size_t i = 0; i < bytes.size(); ++i) {
      if (bytes[i] == '\x1b') {
        i = bytes.find('m', i);
      } else if (bytes[i] == '\r') {
        column = 0;
      } else if (bytes[i] == '\n') {
        lines.emplace_back(), column = 0;
      } else {
        std::string& line = lines.back();
        if (column >= line.size()) line.resize(column + 1, ' ');
        line[column++] = bytes[i];
        widest = std::max(widest, column);
      }
    }
    for (std::string& line : lines) line.erase(line.find_last_not_of(' ') + 1);
  }
};
}  // namespace

TEST_CASE("progress: a log file gets the first line, the last one, and those that are due") {
  std::ostringstream out;
  {
    Progress progress(out, {.total = 100});
    for (Dim step = 1; step <= 100; ++step) progress.step(step, 2.5, 2.75, 1234.4, 0.02, 100.0 - static_cast<double>(step));
    progress.message("saved");
  }
  CHECK(out.str() ==
        "step 1/100  loss 2.5000  mean 2.7500  1234 samples/s  data wait 2%  1:39 left\n"
        "step 100/100  loss 2.5000  mean 2.7500  1234 samples/s  data wait 2%  0:00 left\n"
        "saved\n");
  std::ostringstream often;
  Progress progress(often, {.total = 3, .seconds_between_lines = 0});
  for (Dim step = 1; step <= 3; ++step) progress.step(step, 1, 1, 1, 0, 0);
  CHECK(Screen(often.str()).lines.size() == 4);
}

TEST_CASE("progress: an interrupted run ends with its last step") {
  std::ostringstream out;
  {
    Progress progress(out, {.total = 100});
    progress.step(1, 3, 3, 10, 0, 9);
    progress.step(2, 2, 2.5, 10, 0, 8);
  }
  CHECK(Screen(out.str()).lines[1] == "step 2/100  loss 2.0000  mean 2.5000  10 samples/s  data wait 0%  0:08 left");
}

TEST_CASE("progress: one line in place, messages above it") {
  std::ostringstream out;
  Progress progress(out, {.terminal = true, .width = 110, .total = 100});
  progress.step(50, 2.5, 2.75, 1234, 0, 7200);
  progress.message("evaluating");
  progress.step(100, 0.5, 0.75, 1234, 0, 0);
  progress.finish();
  progress.finish();
  const Screen screen(out.str());
  REQUIRE(screen.lines.size() == 3);
  CHECK(screen.lines[0] == "evaluating");
  CHECK(screen.lines[1] == "[========================]  100/100  loss 0.5000  mean 0.7500  0:00 left  1234 samples/s  data wait 0%");
  CHECK(screen.lines[2].empty());
  CHECK(out.str().find('\x1b') == std::string::npos);
  CHECK(out.str().find("[============>           ]  50/100") != std::string::npos);
}

TEST_CASE("progress: never wider than the terminal, the loss is the last to go") {
  for (int width = 1; width <= 130; ++width) {
    for (const bool color : {false, true}) {
      std::ostringstream out;
      Progress progress(out, {.terminal = true, .color = color, .width = width, .total = 123456});
      progress.step(123456, 1e-5, 1e7, 123456, 0.5, 5e5);
      const Screen screen(out.str());
      CHECK(screen.widest <= static_cast<std::size_t>(std::max(1, width - 1)));
      if (width > 35) CHECK(screen.lines[0].find("123456/123456  loss 1.00e-05") != std::string::npos);
      CHECK((out.str().find("\x1b[1mloss") != std::string::npos) == (color && width > 28));
    }
  }
}

TEST_CASE("progress: no total, no bar; losses that are no numbers") {
  std::ostringstream out;
  Progress progress(out, {.terminal = true, .width = 100});
  progress.step(7, std::numeric_limits<double>::quiet_NaN(), -std::numeric_limits<double>::infinity(), 3.25, 0,
                std::numeric_limits<double>::quiet_NaN());
  CHECK(Screen(out.str()).lines[0] == "7  loss nan  mean -inf  ? left  3.2 samples/s  data wait 0%");
}

TEST_CASE("progress: durations") {
  CHECK(duration_text(0) == "0:00");
  CHECK(duration_text(125.4) == "2:05");
  CHECK(duration_text(3725) == "1:02:05");
  CHECK(duration_text(76 * 3600) == "3 d 4 h");
  CHECK(duration_text(-1) == "?");
  CHECK(duration_text(std::numeric_limits<double>::infinity()) == "?");
}
