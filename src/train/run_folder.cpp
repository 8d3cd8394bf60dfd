// run_folder.cpp — a folder that is never overwritten and belongs to one process; its logs, written and read back.
#include "train/run_folder.h"
#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>
#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <filesystem>
#include "io/atomic_file.h"
#include "siglip/error.h"
#include "train/evaluation_json.h"

namespace siglip::inline SIGLIP_FLAVOUR {
namespace fs = std::filesystem;

RunFolder::RunFolder(std::string path) : path_(std::move(path)) {
  lock_ = ::open(file(".lock").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  require(lock_ >= 0, path_, "a folder that can be written is expected, got: ", std::strerror(errno));
  if (flock(lock_, LOCK_EX | LOCK_NB) == 0) return;
  const int reason = errno;
  close(lock_);
  require(reason != EWOULDBLOCK, path_, "a run that nobody else is training is expected, got one locked by another process");
  fail(path_, "a folder whose file .lock can be locked is expected, got: ", std::strerror(reason));
}

RunFolder::RunFolder(RunFolder&& other) noexcept : path_(std::move(other.path_)), lock_(std::exchange(other.lock_, -1)) {}

// The file stays: whoever waits with it open would lock a name that is gone, and a third process a new file of the same name.
RunFolder::~RunFolder() {
  if (lock_ >= 0) close(lock_);
}

RunFolder RunFolder::create(const std::string& out, const std::string& name) {
  std::error_code error;
  if (!out.empty()) {
    fs::create_directories(out, error);
    require(!error, out, "a folder that can be made is expected, got: ", error.message());
    RunFolder folder(out);  // locked, so that no other process puts a run there after the next line
    require(!fs::exists(folder.file("train.json"), error), out,
            "a folder without a run is expected (a run is never overwritten), got one; --resume continues it");
    return folder;
  }
  fs::create_directories("runs/train", error);
  require(!error, "runs/train", "a folder that can be made is expected, got: ", error.message());
  for (int k = 1;; ++k) {
    const std::string folder = "runs/train/" + name + (k == 1 ? "" : std::to_string(k));
    if (fs::create_directory(folder, error)) return RunFolder(folder);
    require(!error, folder, "a folder that can be made is expected, got: ", error.message());
  }
}

std::string shell_word(const std::string& text) {
  const bool plain = text.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/._-+") == std::string::npos;
  if (plain && !text.empty()) return text;
  std::string out = "'";
  for (char c : text) out += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return out + "'";
}

void require_apart(const TrainConfig& c) {
  std::error_code none;
  if (!fs::is_directory(c.data, none)) return;
  const std::string out = c.out.empty() ? "runs/train/" + c.name : c.out;
  const auto place = [&](const std::string& path) { return fs::weakly_canonical(fs::absolute(path, none), none); };
  const fs::path from_data = place(out).lexically_relative(place(c.data));
  require(!from_data.empty() && *from_data.begin() == "..", "--out", "a folder outside the data is expected, got ", out, ", which lies in ", c.data);
}

void require_data(const TrainConfig& c, const std::string& file) {
  std::error_code none;
  require(fs::exists(c.data, none), file, "data: the folder or table that the run was trained on is expected, got \"", c.data,
          "\", which is not there from here; siglip train --resume RUN --data DIR tells the run its new place");
}

bool is_same_path(const std::string& a, const std::string& b) {
  std::error_code none;
  return a == b || fs::equivalent(a, b, none);
}

std::string run_path(const std::string& run) {
  if (run != "latest") return run;
  std::error_code error;
  fs::path newest;
  for (const fs::directory_entry& entry : fs::directory_iterator("runs/train", error)) {
    const fs::path config = entry.path() / "train.json";
    if (fs::exists(config, error) && (newest.empty() || fs::last_write_time(config, error) > fs::last_write_time(newest / "train.json", error)))
      newest = entry.path();
  }
  require(!newest.empty(), "latest", "a run below runs/train is expected, got none");
  return newest.string();
}

RunFolder RunFolder::open(const std::string& run) {
  const std::string path = run_path(run);
  std::error_code error;
  require(fs::exists(fs::path(path) / "train.json", error), path, "a run folder with train.json is expected, got none");
  RunFolder folder(path);
  folder.remove_leftovers();
  return folder;
}

// A process that was killed while it wrote leaves what was not in its place yet. A folder .last.tmpNNN or .best.tmpNNN may hold the only copy,
// unless there is a whole one; a file NAME.tmpNNN never does.
void RunFolder::remove_leftovers() const {
  std::error_code none;
  std::vector<std::string> beginnings;
  for (const std::string name : {"last", "best"})
    if (fs::exists(file(name.c_str()), none)) beginnings.push_back("." + name + ".tmp");
  for (const std::string name : {"train.json", "results.csv", "log.jsonl", "skipped.txt", "summary.json", "report.html"})
    beginnings.push_back(name + ".tmp");
  std::vector<fs::path> leftovers;
  for (const fs::directory_entry& entry : fs::directory_iterator(path_, none))
    for (const std::string& beginning : beginnings)
      if (entry.path().filename().string().starts_with(beginning)) leftovers.push_back(entry);
  for (const fs::path& leftover : leftovers) fs::remove_all(leftover, none);
}

namespace {
const char* csv_header =
    "step,loss,lr,t,b,grad_norm,p_positive,p_negative,samples_per_second,peak_memory_bytes,split,pairs,candidates,"
    "image_to_text_r1,image_to_text_r5,image_to_text_r10,text_to_image_r1,text_to_image_r5,text_to_image_r10,accuracy\n";

// visit(line, "path:number") for each line. The last one may be cut off or damaged by a crash: then it falls away.
template <class Visit>
void each_line(const std::string& path, const Visit& visit) {
  const std::string text = read_file(path);
  int number = 0;
  for (std::size_t begin = 0, end; (end = text.find('\n', begin)) != std::string::npos; begin = end + 1) try {
      visit(text.substr(begin, end - begin), path + ":" + std::to_string(++number));
    } catch (const Error&) {
      if (end + 1 < text.size()) throw;
    }
}

// The lines whose step is at most `last`.
template <class StepOf>
std::string kept_lines(const std::string& path, Dim last, const StepOf& step_of) {
  std::error_code error;
  if (!fs::exists(path, error)) return "";
  std::string kept;
  each_line(path, [&](const std::string& line, const std::string& where) {
    if (step_of(line, where) <= last) kept += line + "\n";
  });
  return kept;
}

Dim csv_step(const std::string& line, const std::string& where) {
  if (line + "\n" == csv_header) return 0;
  Dim step = 0;
  const auto [end, error] = std::from_chars(line.data(), line.data() + line.size(), step);
  const bool whole = error == std::errc() && end != line.data() + line.size() && *end == ',' && step > 0;
  if (!whole) fail(where, "a row that begins with its step is expected, got ", brief(line));
  return step;
}

Dim json_step(const std::string& line, const std::string& where) { return parse_section(line, where).count("step"); }
}  // namespace

RunLog::RunLog(const RunFolder& run, Dim last_step) : csv_path_(run.file("results.csv")), jsonl_path_(run.file("log.jsonl")) {
  const std::string csv = kept_lines(csv_path_, last_step, csv_step);
  write_file(csv_path_, csv.empty() ? csv_header : csv);
  write_file(jsonl_path_, kept_lines(jsonl_path_, last_step, json_step));
  csv_.open(csv_path_, std::ios::app);
  jsonl_.open(jsonl_path_, std::ios::app);
  csv_.precision(9);
}

void RunLog::flush() const {
  flush_to_disk(csv_path_);
  flush_to_disk(jsonl_path_);
}

// A field of results.csv: in quotes where it holds what separates fields, RFC 4180.
static std::string csv_field(const std::string& text) {
  if (text.find_first_of(",\"\r\n") == std::string::npos) return text;
  std::string quoted = "\"";
  for (const char c : text) quoted += c == '"' ? "\"\"" : std::string(1, c);
  return quoted + '"';
}

void RunLog::write(const LogRow& r, const std::vector<Evaluation>& evaluations) {
  const auto start = [&](std::ostream& out) -> std::ostream& {
    return out << r.step << ',' << r.loss << ',' << r.lr << ',' << r.t << ',' << r.b << ',' << r.grad_norm << ',' << r.p_positive << ','
               << r.p_negative << ',' << r.samples_per_second << ',' << static_cast<std::int64_t>(r.peak_memory);
  };
  if (evaluations.empty()) start(csv_) << ",,,,,,,,,,\n";
  for (const Evaluation& e : evaluations) {  // one row for each split
    start(csv_) << ',' << csv_field(e.split) << ',' << e.pairs << ',' << e.candidates;
    for (const Recall& recall : {e.image_to_text, e.text_to_image}) csv_ << ',' << recall.r1 << ',' << recall.r5 << ',' << recall.r10;
    csv_ << ',';
    if (e.accuracy >= 0) csv_ << e.accuracy;
    csv_ << '\n';
  }
  Json line{{"step", r.step},
            {"loss", r.loss},
            {"lr", r.lr},
            {"t", r.t},
            {"b", r.b},
            {"grad_norm", r.grad_norm},
            {"p_positive", r.p_positive},
            {"p_negative", r.p_negative},
            {"samples_per_second", r.samples_per_second},
            {"peak_memory_bytes", r.peak_memory}};
  if (!evaluations.empty()) {
    line["evaluation"] = Json::array();
    for (const Evaluation& e : evaluations) line["evaluation"].push_back(json_of(e));
  }
  jsonl_ << line.dump() << '\n';
  csv_.flush();
  jsonl_.flush();
  require(csv_.good(), csv_path_, "writing failed: is the disk full?");
  require(jsonl_.good(), jsonl_path_, "writing failed: is the disk full?");
}

RunHistory read_history(const std::string& run) {
  RunHistory history;
  each_line(run + "/log.jsonl", [&history](const std::string& line, const std::string& where) {
    const Section json = parse_section(line, where);
    const auto number = [&](const char* key) {
      const Json* value = json.find(key);
      return value && value->is_null() ? std::nan("") : json.real(key);
    };
    const LogRow row{json.count("step"),
                     number("loss"),
                     number("lr"),
                     number("t"),
                     number("b"),
                     number("grad_norm"),
                     number("p_positive"),
                     number("p_negative"),
                     number("samples_per_second"),
                     number("peak_memory_bytes")};
    std::vector<Evaluation> evaluations;
    if (json.find("evaluation"))
      for (const Section& item : json.sections("evaluation")) evaluations.push_back(evaluation_of(item));
    history.log.push_back(row);
    for (const Evaluation& e : evaluations) history.evaluations.push_back({row.step, e.split, e.image_to_text, e.text_to_image, e.accuracy});
  });
  return history;
}

std::string evaluations_json(const std::vector<Evaluation>& evaluations, const RunFacts& facts) {
  require(!evaluations.empty(), "evaluation", "at least one split is expected, got none");
  const auto whole = [&](const Evaluation& e) {
    Json json = json_of(e);
    if (!e.predictions.empty() && !facts.classes.empty()) add_classes(json, e, facts.classes);
    return json;
  };
  // The headline is the first split that is not train.
  const auto held_out = std::find_if(evaluations.begin(), evaluations.end(), [](const Evaluation& e) { return e.split != "train"; });
  Json json = whole(held_out == evaluations.end() ? evaluations.front() : *held_out);
  json["splits"] = Json::array();
  for (const Evaluation& e : evaluations) json["splits"].push_back(whole(e));
  if (facts.steps) json["steps"] = facts.steps;
  if (!facts.fold.empty()) json["fold"] = facts.fold;
  json["seconds"] = facts.seconds;
  json["peak_memory_bytes"] = facts.memory;
  if (facts.device_memory) json["device_peak_memory_bytes"] = facts.device_memory;
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}
}  // namespace siglip::inline SIGLIP_FLAVOUR
