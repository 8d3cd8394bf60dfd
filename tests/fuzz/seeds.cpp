// seeds.cpp — small good inputs of each reader, from which libFuzzer begins.
#include <cstring>
#include <filesystem>
#include <functional>
#include "fuzz.h"
#include "io/json.h"
#include "pictures.h"
#include "siglip/checkpoint.h"
#include "siglip/data.h"
#include "siglip/optim.h"
#include "siglip/tokenizer.h"
#include "small_run.h"
#include "temporary_folder.h"
#include "train/fields.h"
#include "zip_writer.h"

namespace fuzz {
namespace {
using namespace siglip;
const std::string goldens = SIGLIP_GOLDENS;

// What `write` puts into a folder.
Files written(const std::function<void(const std::string&)>& write) {
  const TemporaryFolder folder;
  write(folder.path);
  Files files;
  for (const auto& entry : std::filesystem::directory_iterator(folder.path))
    if (entry.is_regular_file()) files.push_back({entry.path().filename(), read_file(entry.path())});
  return files;
}

Files with(Files files, const std::string& name, const std::string& bytes) {
  files.push_back({name, bytes});
  return files;
}

std::string safetensors(const std::string& header, std::size_t data) { return little_endian(header.size(), 8) + header + std::string(data, '\1'); }

std::string png(std::size_t width, std::size_t height, int depth, int color, const std::string& rows, const std::string& extra, int interlaced) {
  const std::string header = big_endian(width) + big_endian(height) + char(depth) + char(color) + std::string(2, '\0') + char(interlaced);
  return "\x89PNG\r\n\x1A\n" + png_chunk("IHDR", header) + extra + png_chunk("IDAT", "\x78\x01" + deflated(rows) + std::string(4, '\0')) +
         png_chunk("IEND", "");
}

// Of one layer, width 2, one head, patches of 2 x 2.
std::string big_vision(bool text_head, int method) {
  std::vector<std::pair<std::string, Shape>> arrays{{"t", {1}},
                                                    {"b", {1}},
                                                    {"txt/Embed_0/embedding", {5, 2}},
                                                    {"txt/pos_embedding", {1, 2, 2}},
                                                    {"img/embedding/kernel", {2, 2, 3, 2}},
                                                    {"img/embedding/bias", {2}},
                                                    {"img/pos_embedding", {1, 1, 2}},
                                                    {"img/MAPHead_0/probe", {1, 1, 2}}};
  const auto norm = [&](const std::string& name) {
    for (const char* part : {"/scale", "/bias"}) arrays.push_back({name + part, {2}});
  };
  const auto block = [&](const std::string& name) {
    for (const char* part : {"query", "key", "value", "out"}) {
      const std::string array = name + "/MultiHeadDotProductAttention_0/" + part;
      const bool out = part == std::string("out");
      arrays.push_back({array + "/kernel", out ? Shape{1, 2, 2} : Shape{2, 1, 2}});
      arrays.push_back({array + "/bias", out ? Shape{2} : Shape{1, 2}});
    }
    for (const char* dense : {"0", "1"}) {
      arrays.push_back({name + "/MlpBlock_0/Dense_" + dense + "/kernel", {2, 2}});
      arrays.push_back({name + "/MlpBlock_0/Dense_" + dense + "/bias", {2}});
    }
    norm(name + "/LayerNorm_0");
  };
  for (const std::string tower : {"txt/Encoder_0", "img/Transformer"}) {
    block(tower + "/encoderblock_0");
    norm(tower + "/encoderblock_0/LayerNorm_1");
    norm(tower + "/encoder_norm");
  }
  block("img/MAPHead_0");
  if (text_head) arrays.push_back({"txt/head/kernel", {2, 2}}), arrays.push_back({"txt/head/bias", {2}});
  std::vector<ZipMember> members;
  for (const auto& [name, shape] : arrays)
    members.push_back(
        {"params/" + name + ".npy", npy_of("<f4", shape, std::string(static_cast<std::size_t>(element_count(shape)) * 4, '\0')), method});
  return zip_of(members);
}

std::string varint(std::size_t value) { return value < 128 ? std::string(1, char(value)) : std::string{char(value | 128), char(value >> 7)}; }
std::string field(int number, const std::string& bytes) { return varint(static_cast<std::size_t>(number) << 3 | 2) + varint(bytes.size()) + bytes; }
std::string spiece_model(bool with_bytes) {
  const auto piece = [](const std::string& text, int type) {
    return field(1, field(1, text) + std::string("\x15\0\0\x80\xBF", 5) + '\x18' + char(type));
  };
  std::string model = piece("<pad>", 3) + piece("</s>", 3) + piece("<unk>", 2);
  for (const char* text : {"▁", "a", "b", "▁a", "ab", "fox", "red", "▁re", "d"}) model += piece(text, 1);
  model += piece("user", 4);
  constexpr char digits[] = "0123456789ABCDEF";
  for (int i = 0; with_bytes && i < 256; ++i) model += piece(std::string("<0x") + digits[i / 16] + digits[i % 16] + '>', 6);
  return model + field(2, std::string("\x18\1", 2) + (with_bytes ? std::string("\x98\2\1", 3) : "")) + field(3, field(1, "identity"));
}

const char* bpe_json = R"({"version": "1.0", "truncation": {"direction": "Right", "max_length": 6}, "padding": {"pad_id": 0},
 "added_tokens": [{"id": 0, "content": "<pad>", "special": true}, {"id": 1, "content": "<eos>", "lstrip": false}, {"id": 10, "content": "\n\n"}],
 "normalizer": {"type": "Sequence", "normalizers": [{"type": "Lowercase"}, {"type": "Replace", "pattern": {"String": " "}, "content": "▁"}]},
 "pre_tokenizer": {"type": "Split", "pattern": {"String": " "}, "behavior": "MergedWithPrevious", "invert": false},
 "post_processor": {"type": "TemplateProcessing", "single": [{"Sequence": {"id": "A"}}, {"SpecialToken": {"id": "<eos>"}}]}, "decoder": null,
 "model": {"type": "BPE", "dropout": null, "unk_token": "<unk>", "fuse_unk": true, "byte_fallback": true, "ignore_merges": false,
  "vocab": {"<pad>": 0, "<eos>": 1, "<unk>": 2, "▁": 3, "a": 4, "b": 5, "aa": 6, "aaaa": 7, "▁a": 8, "ab": 9},
  "merges": [["a", "a"], ["aa", "aa"], "▁ a", ["a", "b"]]}})";

Files small_model() {
  return written([](const std::string& folder) {
    const auto words = learn_words({"a red fox", "two foxes"}, 2);
    const Siglip model(model_config(run_config(), words->vocab_size()));
    write_config(folder, model.config);
    write_safetensors(folder + "/model.safetensors", model.parameters());
    write_preprocessing(folder, {.image_size = 2});
    words->save(folder);
  });
}

std::string evaluation(const char* split) {
  return std::string(R"({"split":")") + split +
         R"(","pairs":8,"candidates":6,"image_to_text":{"r1":0.5,"r5":0.9,"r10":1.0},"text_to_image":{"r1":0.25,"r5":0.5,"r10":1},"accuracy":0.5})";
}
}  // namespace

std::vector<Files> picture_seeds() {
  std::vector<Files> seeds;
  for (const auto& entry : std::filesystem::directory_iterator(goldens + "/pixels/pictures"))
    if (entry.path().extension() != ".json" && entry.file_size() <= 2048) seeds.push_back({{"picture", read_file(entry.path())}});
  for (const std::string& jpeg : {jpeg_baseline, jpeg_progressive, jpeg_gray, jpeg_cmyk, jpeg_rotated}) seeds.push_back({{"picture", jpeg}});
  Image image{5, 4, {}};
  for (int i = 0; i < 60; ++i) image.rgb.push_back(static_cast<std::uint8_t>(7 * i));
  seeds.push_back({{"picture", encode_png(image)}});
  const std::string palette = png_chunk("PLTE", std::string("\1\2\3\4\5\6", 6)), row(40, '\0');
  seeds.push_back({{"picture", png(2, 2, 8, 3, row, palette + png_chunk("tRNS", "\x80"), 0)}});
  seeds.push_back({{"picture", png(2, 2, 16, 6, row, png_chunk("eXIf", std::string("II*\0\x08\0\0\0", 8)), 1)}});
  seeds.push_back({{"picture", png(9, 2, 1, 0, row, png_chunk("tRNS", std::string("\0\1", 2)) + png_chunk("IDAT", ""), 1)}});
  seeds.push_back({{"picture", png(3, 2, 4, 4, row, "", 0)}});
  return seeds;
}

std::vector<Files> exif_seeds() {
  const std::string big("MM\0*\0\0\0\x08\0\1\x01\x12\0\3\0\0\0\1\0\6\0\0\0\0\0\0", 26),
      little("II*\0\x08\0\0\0\1\0\x12\1\3\0\1\0\0\0\x08\0\0\0\0\0\0\0", 26);
  return {{{"exif", big}}, {{"exif", little}}};
}

std::vector<Files> safetensors_seeds() {
  const std::string header =
      R"({"__metadata__":{"format":"pt"},"a":{"dtype":"F32","shape":[2,1],"data_offsets":[0,8]},"b":{"dtype":"I64","shape":[1],"data_offsets":[8,16]},)"
      R"("c":{"dtype":"BF16","shape":[],"data_offsets":[16,18]},"d":{"dtype":"F64","shape":[0],"data_offsets":[18,18]}})";
  const std::string one = R"({"x":{"dtype":"F16","shape":[2],"data_offsets":[0,4]}})",
                    other = R"({"y":{"dtype":"I32","shape":[2],"data_offsets":[0,8]}})";
  const std::string index = R"({"metadata":{"total_size":12},"weight_map":{"x":"a.safetensors","y":"b.safetensors"}})";
  return {{{"model.safetensors", safetensors(header, 18)}},
          {{"model.safetensors.index.json", index}, {"a.safetensors", safetensors(one, 4)}, {"b.safetensors", safetensors(other, 8)}}};
}

std::vector<Files> npz_seeds() {
  const std::string f4 = npy_of("<f4", {2, 2}, std::string(16, '\1')), turned = npy_of("<f8", {2, 2}, std::string(32, '\1'), true);
  const std::string half = npy_of("<f2", {3}, std::string(6, '\1')), brain = npy_of("|V2", {1}, std::string(2, '\1')),
                    word = npy_of("<i8", {}, std::string(8, 'x'));
  return {{{"arrays.npz", zip_of({{"a.npy", f4}, {"b.npy", turned}, {"c.npy", half}})}},
          {{"arrays.npz", zip_of({{"a.npy", f4, 8}, {"d.npy", brain, 8}, {"e.npy", word}})}}};
}

std::vector<Files> npy_seeds() {
  return {{{"header.npy", npy_of("<f4", {2, 2}, "")}},
          {{"header.npy", npy_of("{\"shape\": (1, 2, 3,), 'fortran_order': True, 'descr': '|V2'}", "", 2)}}};
}

std::vector<Files> big_vision_seeds() {
  return {{{"model.npz", big_vision(false, 0)}}, {{"model.npz", big_vision(true, 0)}}, {{"model.npz", big_vision(true, 8)}}};
}

std::vector<Files> config_seeds() {
  const std::string model = read_file(goldens + "/models/one_patch/model/config.json");
  const Files own = written([](const std::string& folder) {
    write_preprocessing(folder, {});
    write_config(folder, SiglipConfig{});
  });
  const std::string processor =
      R"({"image_processor":{"image_processor_type":"SiglipImageProcessorFast","size":{"height":8,"width":8},"resample":2,"do_resize":true,"image_mean":[0.5,0.5,0.5],)"
      R"("image_std":0.5,"rescale_factor":0.00392,"do_convert_rgb":null},"processor_class":"SiglipProcessor"})";
  return {{{"config.json", model}, {"processor_config.json", processor}, {"train.json", to_json(run_config())}},
          with(own, "tokenizer_config.json", R"({"model_max_length":64,"do_lower_case":true,"eos_token":{"content":"</s>"},"add_eos_token":true})")};
}

std::vector<Files> words_seeds() {
  const Files saved = written([](const std::string& folder) { learn_words({"a red fox", "two foxes # 2", "über"}, 6)->save(folder); });
  return {with(saved, "text", "a fox & two über")};
}

std::vector<Files> bpe_seeds() {
  const Files files{{"tokenizer.json", bpe_json}, {"tokenizer_config.json", R"({"model_max_length":6,"add_eos_token":true,"add_bos_token":false})"}};
  return {with(files, "text", "aaab a\n\nb"), with(files, "config.json", R"({"text_config":{"vocab_size":20,"max_position_embeddings":6}})")};
}

std::vector<Files> spiece_seeds() {
  const std::string config =
      R"({"model_max_length":8,"added_tokens_decoder":{"1":{"content":"</s>","lstrip":true,"rstrip":true},"4":{"content":"a<b"}}})";
  return {
      {{"spiece.model", spiece_model(false)}, {"tokenizer_config.json", config}, {"text", "A red fox a<b ab!"}},
      {{"spiece.model", spiece_model(true)}, {"tokenizer_config.json", R"({"model_max_length":8,"siglip_profile":"big_vision"})"}, {"text", "a b"}}};
}

std::vector<Files> table_seeds() {
  return {
      {{"pairs.csv", "image,text\na.png,a cat\n\"b.png\",\"a \"\"red\"\", fox\"\r\nc/d.jpg,\"two\nlines\"\n"}},
      {{"pairs.tsv", "text\tfile_name\timage\na cat\tx\ta.png\n"}, {"metadata.csv", "file_name,text,split\na.png,a cat,train\nb.png,a dog,val\n"}}};
}

std::vector<Files> json_lines_seeds() {
  return {
      {{"metadata.jsonl", "{\"file_name\":\"a.png\",\"text\":\"a cat\"}\n\n{\"file_name\":\"d/b.png\",\"text\":\"a dog\",\"distractor\":true}\n"}}};
}

std::vector<Files> label_seeds() {
  return {{{"labels.txt", "\xEF\xBB\xBFred\r\nblue\n"},
           {"labels.json", R"(["red","blue"])"},
           {"labels.jsonl", "{\"text\":\"red\"}\n{\"text\":\"blue\"}\n"}}};
}

std::vector<Files> folder_seeds() {
  const Files model = small_model();
  std::vector<Files> seeds{model, with(model, "checksums.txt", "0123456789abcdef  config.json\n")};
  Files shards = model;
  std::string tensors;
  std::erase_if(shards, [&](const File& file) { return file.name == "model.safetensors" && (tensors = file.bytes, true); });
  shards.push_back({"a.safetensors", tensors});
  std::size_t header = 0;
  std::memcpy(&header, tensors.data(), 8);
  Json places = Json::object();
  const Json entries = parse_json(tensors.substr(8, header), "header");
  for (const auto& [name, tensor] : entries.items())
    if (name != "__metadata__") places[name] = "a.safetensors";
  shards.push_back({"model.safetensors.index.json", Json{{"weight_map", places}}.dump()});
  seeds.push_back(shards);
  return seeds;
}

std::vector<Files> state_seeds() {
  const std::string state = R"({"version":3,"step":2,"adam_steps":2,"moving_loss":1.5,"best_score":0.5,"seconds":1.25,"data_fingerprint":")" +
                            run_fingerprint + R"(","config":)" + to_json(run_config()) + R"(,"best":[)" + evaluation("train") + "," +
                            evaluation("val") + "]}";
  Files files = written([](const std::string& folder) {
    const Siglip model(model_config(run_config(), run_vocabulary));
    write_safetensors(folder + "/training_state.safetensors", AdamW(model.parameters(), {}).state());
  });
  return {with(files, "training_state.json", state)};
}

std::vector<Files> history_seeds() {
  std::string log;
  for (int step = 1; step <= 12; ++step)
    log += R"({"step":)" + std::to_string(step) + R"(,"loss":)" + std::to_string(9.5 / step) +
           R"(,"lr":0.001,"t":10.5,"b":-10,"grad_norm":4.5,"p_positive":0.5,"p_negative":null,"samples_per_second":100,"peak_memory_bytes":1e6)" +
           (step % 6 ? "}\n" : R"(,"evaluation":[)" + evaluation("train") + "," + evaluation("val") + "]}\n");
  return {{{"log.jsonl", log}}, {{"log.jsonl", log.substr(0, log.find('\n') + 1)}}};
}
}  // namespace fuzz
