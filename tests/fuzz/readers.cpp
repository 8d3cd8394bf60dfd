// readers.cpp — every reader of files from outside, called as the program calls it, and what it answers is used.
#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <map>
#include <memory>
#include <sstream>
#include "data/container.h"
#include "data/exif.h"
#include "data/tokenizer_config.h"
#include "fuzz.h"
#include "io/big_vision.h"
#include "io/npy_header.h"
#include "io/npz.h"
#include "report/sections.h"
#include "siglip/data.h"
#include "siglip/doctor.h"
#include "siglip/tokenizer.h"
#include "siglip/train.h"
#include "small_run.h"
#include "train/fields.h"
#include "train/session.h"
#include "verbs.h"

namespace fuzz {
namespace {
using namespace siglip;

const std::string& bytes_of(const Files& files, const std::string& name) {
  static const std::string none;
  const auto at = std::find_if(files.begin(), files.end(), [&](const File& file) { return file.name == name; });
  return at == files.end() ? none : at->bytes;
}

void expect(bool holds, const char* what) {
  if (holds) return;
  std::cerr << "== " << what << " ==\n";
  std::abort();
}

void read_picture(const std::string&, const Files& files) {
  const std::string& bytes = files[0].bytes;
  const Container container = open_container(bytes, "picture");
  if (container.width * container.height > 1 << 16) return;  // decoding would take its time, as it should
  const Image image = decode_image(reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size(), "picture");
  expect(image.width * image.height * 3 == std::ssize(image.rgb), "a picture has the size that it says");
}

void read_exif(const std::string&, const Files& files) {
  Notes notes, of_editors;
  notes.has_exif = true;
  notes.exif = of_editors.xmp = files[0].bytes;
  for (const Notes& note : {notes, of_editors}) {
    const int orientation = orientation_of(note);
    expect(orientation >= 1 && orientation <= 8, "an orientation is 1 to 8");
  }
}

void read_weights(const std::string& folder, const Files&) {
  const Weights weights(folder);
  for (const SafetensorsFile& file : weights.files())
    for (const TensorInfo& tensor : file.tensors()) try {
        if (element_count(tensor.shape) > 1 << 16) continue;
        if (tensor.dtype.starts_with("I"))
          file.read_ids(tensor.name);
        else
          file.read(tensor.name);
      } catch (const Error&) {  // of one tensor
      }
}

void read_archive(const std::string& folder, const Files&) {
  const NpzFile file(folder + "/arrays.npz");
  for (const TensorInfo& array : file.arrays()) try {
      NpzFile::Stream stream = file.open(array);
      std::string piece(1 << 16, '\0');
      for (std::int64_t left = std::min<std::int64_t>(array.bytes, 1 << 20); left > 0; left -= std::ssize(piece))
        stream.read(piece.data(), std::min(left, std::ssize(piece)));
      if (array.bytes <= 1 << 20) stream.finish();
    } catch (const Error&) {  // of one array
    }
}

void read_header(const std::string&, const Files& files) {
  std::size_t at = 0;
  const std::string& bytes = files[0].bytes;
  const auto next = [&](std::int64_t count) {
    expect(count >= 0, "a count of bytes is not negative");
    if (bytes.size() - at < static_cast<std::size_t>(count)) throw Error("header: cut off");
    at += static_cast<std::size_t>(count);
    return bytes.substr(at - static_cast<std::size_t>(count), static_cast<std::size_t>(count));
  };
  const NpyHeader header = read_npy_header(next, "header");
  expect(header.bytes == static_cast<std::int64_t>(at), "a header says how long it is");
  dtype_of_npy(header.descr);
}

void read_npz_model(const std::string& folder, const Files&) {
  std::ostringstream log;
  convert_model(folder + "/model.npz", folder + "/converted", {}, log);
  load_parameters(folder + "/converted", Siglip(read_config(folder + "/converted")).parameters());
}

void read_configurations(const std::string& folder, const Files& files) {
  const auto each = [](const auto& call) {
    try {
      call();
    } catch (const Error&) {  // of one file
    }
  };
  each([&] { read_config(folder); });
  each([&] { read_preprocessing(folder); });
  each([&] { read_tokenizer_config(folder).context(); });
  each([&] {
    TrainConfig config;
    read_json(config, bytes_of(files, "train.json"), "train.json");
    validate(config, "train.json");
    TrainConfig again;
    read_json(again, to_json(config), "again");
  });
}

void use_tokenizer(const std::string& folder, const Files& files) {
  const auto tokenizer = read_tokenizer(folder);
  if (tokenizer->context() > 1 << 12) return;
  for (const std::string& text : {bytes_of(files, "text"), std::string("A red fox, 2 </s> <unk> über"), std::string()}) {
    const std::vector<std::int32_t> ids = tokenizer->encode(text);
    expect(std::ssize(ids) == tokenizer->context(), "a text has as many ids as the context");
    for (const std::int32_t id : ids) expect(id >= 0 && id < tokenizer->vocab_size(), "ids are those of the vocabulary");
    tokenizer->pieces(text);
  }
  const std::string copy = folder + "/copy";
  std::filesystem::create_directory(copy);
  tokenizer->save(copy);
  if (!bytes_of(files, "config.json").empty()) write_file(copy + "/config.json", bytes_of(files, "config.json"));
  expect(read_tokenizer(copy)->describe() == tokenizer->describe(), "a tokenizer that was saved is the same");
}

void read_pairs(const std::string& folder, const Files& files) {
  for (const std::string& name : {std::string("pairs.csv"), std::string("pairs.tsv"), std::string()})
    if (name.empty() || !bytes_of(files, name).empty()) try {
        const std::string path = folder + (name.empty() ? "" : "/" + name);
        for (const Split& split : read_data(path, {.val_fraction = 0.2}).splits)
          for (const Pair& pair : split.pairs) expect(!pair.text.empty() && !pair.image.empty(), "pairs have a picture and a text");
        for (const Split& split : read_data(path, {.follow_links = false}).splits)
          for (const Pair& pair : split.pairs) expect(pair.image.starts_with(folder), "without following, pairs are of this folder");
      } catch (const Error&) {  // of one layout
      }
}

void read_labels(const std::string& folder, const Files& files) {
  for (const File& file : files) try {
      tools::read_texts(folder + "/" + file.name);
    } catch (const Error&) {  // of one file
    }
}

void inspect_folder(const std::string& folder, const Files&) {
  std::ostringstream out;
  std::streambuf* standard = std::cout.rdbuf(out.rdbuf());
  const auto inspect = [&](const std::vector<std::string>& words) {
    CLI::App program("siglip", "siglip");
    tools::add_inspect(program);
    try {
      program.parse(std::vector<std::string>(words.rbegin(), words.rend()));
    } catch (const Error&) {
    }
  };
  inspect({"inspect", folder});
  inspect({"inspect", folder, "--json"});
  std::cout.rdbuf(standard);
}

// A run without data: what a state is read into.
Session& session(const std::string& folder) {
  static Session s = [&] {
    TrainConfig c = run_config();
    Siglip model(model_config(c, run_vocabulary));
    AdamW optimizer(model.parameters(), {});
    const std::string place = folder + "_run";
    auto run = std::make_unique<RunFolder>(RunFolder::create(place, "run"));
    std::filesystem::create_directory(run->file("last"));
    write_safetensors(run->file("last") + "/model.safetensors", model.parameters());
    return Session{std::move(c), std::move(run), nullptr, nullptr, {}, std::move(model), std::move(optimizer), {}, {}, run_fingerprint};
  }();
  return s;
}

void read_training_state(const std::string& folder, const Files&) {
  Session& s = session(folder);
  const std::string last = s.run->file("last") + "/";
  for (const char* name : {"training_state.json", "training_state.safetensors"}) {
    std::error_code none;
    std::filesystem::rename(folder + "/" + name, last + name, none);
    if (none) std::filesystem::remove(last + name, none);
  }
  s.best.clear();
  load_state(s);
  expect(s.step >= 0 && s.step <= s.config.steps, "a step is one of the run's");
}

void read_run_history(const std::string& folder, const Files&) {
  const RunHistory history = read_history(folder);
  ReportData data;
  data.log = history.log, data.evaluations = history.evaluations;
  if (!data.log.empty()) data.shown_step = data.log.back().step;
  const std::string html = head_section(data) + learning_section(data) + temperature_section(data) + throughput_section(data);
  for (const char* wrong : {"=\"nan", "=\"-nan", "=\"inf", "=\"-inf"}) expect(html.find(wrong) == std::string::npos, "charts are drawn with numbers");
}
}  // namespace

const std::vector<Reader>& readers() {
  static const std::vector<std::string> tokenizer{"tokenizer.json", "tokenizer_config.json", "config.json", "text"};
  static const std::vector<Reader> all{
      {"picture", 4096, {"picture"}, read_picture, picture_seeds},
      {"exif", 512, {"exif"}, read_exif, exif_seeds},
      {"safetensors", 4096, {"model.safetensors", "model.safetensors.index.json", "a.safetensors", "b.safetensors"}, read_weights, safetensors_seeds},
      {"npz", 8192, {"arrays.npz"}, read_archive, npz_seeds},
      {"npy", 1024, {"header.npy"}, read_header, npy_seeds},
      {"big_vision", 1 << 15, {"model.npz"}, read_npz_model, big_vision_seeds},
      {"config",
       4096,
       {"config.json", "preprocessor_config.json", "processor_config.json", "tokenizer_config.json", "train.json"},
       read_configurations,
       config_seeds},
      {"words", 1 << 14, tokenizer, use_tokenizer, words_seeds},
      {"bpe", 1 << 14, tokenizer, use_tokenizer, bpe_seeds},
      {"spiece", 1 << 14, {"spiece.model", "tokenizer_config.json", "config.json", "text"}, use_tokenizer, spiece_seeds},
      {"table", 4096, {"pairs.csv", "pairs.tsv", "metadata.csv"}, read_pairs, table_seeds},
      {"json_lines", 4096, {"metadata.jsonl"}, read_pairs, json_lines_seeds},
      {"labels", 4096, {"labels.txt", "labels.json", "labels.jsonl"}, read_labels, label_seeds},
      {"folder",
       1 << 15,
       {"config.json", "model.safetensors", "model.safetensors.index.json", "a.safetensors", "preprocessor_config.json", "tokenizer.json",
        "tokenizer_config.json", "spiece.model", "checksums.txt"},
       inspect_folder,
       folder_seeds},
      {"training_state", 1 << 15, {"training_state.json", "training_state.safetensors"}, read_training_state, state_seeds},
      {"history", 8192, {"log.jsonl"}, read_run_history, history_seeds},
  };
  return all;
}
}  // namespace fuzz
