// doctor.cpp — siglip doctor: which well-known mistake a folder, or another implementation, has.
#include "siglip/doctor.h"
#include <cmath>
#include <iostream>
#include <memory>
#include "io/json.h"
#include "siglip/error.h"
#include "verbs.h"

namespace siglip::tools {
namespace {
struct Settings {
  std::string folder;
  DoctorOptions options;
  bool known = false, json = false;
};

const char* word_of(Finding::Level level) { return level == Finding::mistake ? "MISTAKE" : level == Finding::note ? "note" : "ok"; }

Json json_of(const Finding& f) {
  Json json{{"level", f.level == Finding::mistake ? "mistake" : word_of(f.level)},
            {"about", f.about},
            {"mistakes", f.mistakes},
            {"seen", f.seen},
            {"cause", f.cause},
            {"advice", f.advice}};
  if (f.error > 0 && std::isfinite(f.error)) json["error"] = f.error;
  if (f.margin > 0 && std::isfinite(f.margin)) json["margin"] = f.margin;
  return json;
}

void print(const std::vector<Finding>& findings) {
  for (const Finding& f : findings) {
    std::string names;
    for (const std::string& name : f.mistakes) names += (names.empty() ? "" : " or ") + name;
    std::cout << word_of(f.level) << "  " << f.about << (names.empty() ? "" : " [" + names + "]") << ": " << f.sentence() << '\n';
  }
}

void list_known(bool json) {
  const std::vector<MistakeName> known = known_mistake_names();
  Json list = Json::array();
  for (const MistakeName& m : known) {
    list.push_back({{"mistake", m.name}, {"what", m.what}, {"advice", m.advice}});
    if (!json) std::cout << m.name << ": " << m.what << "; " << m.advice << '\n';
  }
  if (json) print_json(list);
}

void doctor_verb(const Settings& s) {
  if (s.known) return list_known(s.json);
  if (s.folder.empty()) throw WrongUse("FOLDER: a run folder or a checkpoint folder is expected, got nothing");
  if (!s.options.inputs.empty() && s.options.reference.empty()) throw WrongUse("--inputs: go with --reference, got them alone");
  if (s.options.pairs && s.options.reference.empty()) throw WrongUse("--pairs: goes with --reference, got it alone");
  const std::vector<Finding> findings = examine(s.folder, s.options);
  Json list = Json::array();
  Dim mistakes = 0;
  for (const Finding& f : findings) mistakes += f.level == Finding::mistake, list.push_back(json_of(f));
  if (s.json)
    print_json(Json{{"healthy", mistakes == 0}, {"findings", list}});
  else
    print(findings);
  std::cout.flush();
  require(mistakes == 0, s.folder, "no mistake is expected, got ", mistakes);
  std::cerr << s.folder << ": healthy, no known mistake was found\n";
}
}  // namespace

void add_doctor(CLI::App& program) {
  CLI::App& verb = add_verb(
      program, "doctor",
      "Name the well-known mistake that a folder, or another implementation, has. The folder's files and weights are examined; with --reference\n"
      "(what the other implementation computed for the same model) every known mistake is planted here until the numbers agree.\n"
      "Exit code 1 if there is a mistake.",
      "siglip doctor run --image shapes/val/00000.png --text \"a small red circle\"",
      "healthy, findings [level (ok, note, mistake), about, mistakes, seen, cause, advice, error, margin]");
  const auto s = std::make_shared<Settings>();
  verb.add_option("FOLDER", s->folder, "a run folder or a checkpoint folder");
  verb.add_option("--image", s->options.images, "pictures")->type_name("FILE...");
  verb.add_option("--text", s->options.texts, "texts")->type_name("TEXT...");
  text_flag(verb, "--reference", s->options.reference,
            "a .safetensors file with any of image_embeds, text_embeds, logits_per_text, logits_per_image, loss, hidden.vision.I, hidden.text.I");
  text_flag(verb, "--inputs", s->options.inputs,
            "a .safetensors file with pixel_values and input_ids, that the reference was computed from; without it inputs.safetensors beside it is "
            "taken, else what --image and --text give, else what the reference itself holds");
  verb.add_flag("--pairs", s->options.pairs, "if no mistake alone explains the reference, try all pairs: some thousand forward passes");
  verb.add_flag("--known", s->known, "list the mistakes that are known by their effect, and do nothing else");
  json_flag(verb, s->json);
  threads_flag(verb);
  verb.callback([s] { doctor_verb(*s); });
}
}  // namespace siglip::tools
