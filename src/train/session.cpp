// session.cpp — a run set up, saved and taken up again.
#include "train/session.h"
#include <cmath>
#include <ostream>
#include "siglip/error.h"
#include "train/evaluation_json.h"
#include "train/fields.h"

namespace siglip::inline SIGLIP_FLAVOUR {
namespace {
std::uint64_t hash(std::uint64_t h, const void* bytes, std::size_t count) {
  for (std::size_t i = 0; i < count; ++i) h = (h ^ static_cast<const unsigned char*>(bytes)[i]) * 1099511628211u;  // FNV-1a
  return h;
}

Filter filter_of(const TrainConfig& c) { return c.filter == "bilinear" ? Filter::bilinear : Filter::bicubic; }

// ---- setting up ------------------------------------------------------------------------------------------------------------------------

std::vector<NamedSamples> decode(const TrainConfig& config, const DataSet& data, const Tokenizer& tokenizer, Dim image_size, std::ostream& log) {
  std::vector<NamedSamples> splits;
  std::size_t bad = 0;
  for (const Split& split : data.splits) {
    splits.push_back({split.name, std::make_shared<const Samples>(split, tokenizer, image_size, filter_of(config), config.strict)});
    const Samples& samples = *splits.back().samples;
    log << "data: " << samples.size() << " pairs with " << samples.captions() << " distinct captions in " << split.name << '\n';
    for (const std::string& problem : samples.problems())
      if (++bad <= 10) log << "skipped: " << problem << '\n';
  }
  if (bad > 10) log << "skipped: " << bad - 10 << " more pictures, named in skipped.txt\n";
  if (bad) log << "data: " << bad << " pictures could not be read and were left out\n";
  return splits;
}

void write_skipped(const RunFolder& run, const std::vector<NamedSamples>& splits) {
  std::string lines;
  for (const NamedSamples& split : splits)
    for (const std::string& problem : split.samples->problems()) lines += problem + "\n";
  if (!lines.empty()) write_file(run.file("skipped.txt"), lines);
}

// A number that changes when any caption or picture does: resuming on other data is refused.
std::string fingerprint(const std::vector<NamedSamples>& splits) {
  std::uint64_t h = 14695981039346656037u;
  for (const NamedSamples& split : splits)
    for (Dim i = 0; i < split.samples->size(); ++i) {
      const std::vector<std::uint8_t>& pixels = split.samples->picture(i).rgb;
      const std::string& text = split.samples->pair(i).text;
      h = hash(hash(h, pixels.data(), pixels.size()), text.data(), text.size() + 1);
    }
  return std::to_string(h);
}

std::vector<std::string> captions_of(const Split& split) {
  std::vector<std::string> texts;
  for (const Pair& pair : split.pairs) texts.push_back(pair.text);
  return texts;
}

// Settings that stand for "decide for me" get their numbers.
void resolve(TrainConfig& c, Dim samples) {
  if (c.loss == "softmax") c.positives = "diagonal";  // the softmax has one right answer by definition
  if (c.steps == 0) c.steps = static_cast<Dim>(std::ceil((c.epochs > 0 ? c.epochs : 30) * double(Loader::steps_per_epoch(samples, c.batch_size))));
  if (c.warmup < 0) c.warmup = std::min<Dim>(100, c.steps / 10);
  if (c.eval_every == 0) c.eval_every = std::max<Dim>(1, (c.steps + 9) / 10);
  if (c.save_every == 0) c.save_every = c.eval_every;
}
}  // namespace

Session set_up(TrainConfig config, std::unique_ptr<RunFolder> run, std::ostream& log) {
  if (config.threads) set_threads(static_cast<int>(config.threads));
  const DataSet data = read_data(config.data, {config.image_column, config.text_column, config.text_template, config.val_fraction});
  std::unique_ptr<Tokenizer> tokenizer =
      run ? read_tokenizer(run->file("last")) : learn_words(captions_of(data.split("train")), model_config(config, 3).context);
  Siglip model(model_config(config, tokenizer->vocab_size()));
  std::vector<NamedSamples> splits = decode(config, data, *tokenizer, model.config.image_size, log);
  const Dim pairs = splits[0].samples->size();
  require(config.batch_size <= pairs, "--batch-size", "at most the ", pairs, " usable pairs of train, got ", config.batch_size);
  resolve(config, pairs);

  initialize(model, static_cast<std::uint64_t>(config.seed), initial_bias(config, config.batch_size));
  Parameters trained = model.parameters();
  if (config.loss == "softmax") std::erase_if(trained, [](const Parameter& p) { return p.name == "logit_bias"; });  // it has none
  AdamW optimizer(trained, {config.beta1, config.beta2, 1e-8, config.wd});
  const Ids classes = class_tokens(data, *tokenizer);
  if (!run) run = std::make_unique<RunFolder>(RunFolder::create(config.out, config.name));
  write_skipped(*run, splits);
  std::string print = fingerprint(splits);
  return {std::move(config), std::move(run),       &log,    std::move(tokenizer), std::move(splits),
          std::move(model),  std::move(optimizer), classes, std::move(print)};
}

// ---- checkpoints -----------------------------------------------------------------------------------------------------------------------

namespace {
Json json_of(const Session& s) {
  Json best = Json::array();
  for (const Evaluation& e : s.best) best.push_back(json_of(e));
  return {{"version", 1},
          {"step", s.step},
          {"adam_steps", s.optimizer.steps()},
          {"moving_loss", s.moving_loss},
          {"best_score", s.best_score},
          {"seconds", s.seconds},
          {"data_fingerprint", s.fingerprint},
          {"best", std::move(best)}};
}

// Over the state and both files of tensors: one flipped bit anywhere must not go unnoticed.
std::string checksum(Json state, const std::string& folder) {
  state.erase("checksum");
  std::uint64_t h = 14695981039346656037u;
  const std::int64_t any_size = INT64_MAX;
  for (const std::string& bytes :
       {state.dump(), read_file(folder + "/model.safetensors", any_size), read_file(folder + "/training_state.safetensors", any_size)})
    h = hash(h, bytes.data(), bytes.size());
  return std::to_string(h);
}
}  // namespace

void save(const Session& s, const char* name, bool with_training_state) {
  FolderWriter folder(s.run->file(name));
  write_safetensors(folder.path() + "/model.safetensors", s.model.parameters());
  write_config(folder.path(), s.model.config);
  s.tokenizer->save(folder.path());
  write_preprocessing(folder.path(), {s.model.config.image_size, filter_of(s.config) == Filter::bilinear ? 2 : 3});
  if (with_training_state) {
    write_safetensors(folder.path() + "/training_state.safetensors", s.optimizer.state());
    Json state = json_of(s);
    state["checksum"] = checksum(state, folder.path());
    write_file(folder.path() + "/training_state.json", state.dump(2) + "\n");
  }
  folder.commit();
}

void load_state(Session& s) {
  const std::string folder = s.run->file("last"), path = folder + "/training_state.json";
  const Json state = parse_json(read_file(path), path);
  try {
    require(state.at("version") == 1, path, "version 1 is expected, got ", state.at("version").dump());
    const std::string sum = checksum(state, folder);
    require(state.at("checksum") == sum, folder, "a checkpoint as it was saved is expected (checksum ", state.at("checksum").dump(),
            "), got one that was changed or damaged (", sum, ")");
    require(state.at("data_fingerprint") == s.fingerprint, path, "the data the run began with is expected (fingerprint ",
            state.at("data_fingerprint").get<std::string>(), "), got other pictures or captions (", s.fingerprint, ")");
    s.step = state.at("step");
    s.moving_loss = state.at("moving_loss");
    s.best_score = state.at("best_score");
    s.seconds = state.at("seconds");
    s.optimizer.set_steps(state.at("adam_steps"));
    for (const Json& e : state.at("best")) s.best.push_back(evaluation_of(e));
  } catch (const Json::exception& e) {
    fail(path, "a training state as train writes it is expected, got: ", e.what());
  }
  load_parameters(folder, s.model.parameters());
  const SafetensorsFile file(folder + "/training_state.safetensors");
  require(file.tensors().size() == s.optimizer.state().size(), folder, "a training state of ", s.optimizer.state().size(),
          " tensors is expected, got ", file.tensors().size());
  for (const Parameter& p : s.optimizer.state()) file.read_into(p.name, p.value);
}
}  // namespace siglip::inline SIGLIP_FLAVOUR
