// siglip.h — everything. A program that trains:
//
//   #include <iostream>
//   #include "siglip/siglip.h"
//   using namespace siglip;
//
//   int main() {
//     const DataSet data = read_data("data/shapes");  // pictures and captions, as `make demo-shapes` leaves them
//     std::vector<std::string> captions;
//     for (const Pair& pair : data.split("train").pairs) captions.push_back(pair.text);
//
//     SiglipConfig config = preset("nano");
//     const auto tokenizer = learn_words(captions, config.context);
//     config.vocab_size = tokenizer->vocab_size();
//     Siglip model(config);
//     initialize(model, /*seed=*/0);
//
//     AdamW optimizer(model.parameters(), {});
//     const auto samples = std::make_shared<Samples>(data.split("train"), *tokenizer, Preprocessing{.image_size = config.image_size});
//     Loader loader(samples, {.batch_size = 64});
//     for (int step = 1; step <= 100; ++step) {
//       const Batch batch = loader.next();
//       Tape tape;
//       const Tensor u = model.vision(batch.images), v = model.text(batch.tokens);  // (B, E), unit rows
//       const Tensor loss = sigmoid_loss(u, v, model.log_t, model.b, {batch.caption_ids, batch.caption_ids});
//       tape.backward(loss);
//       optimizer.step(/*lr=*/1e-3);
//       optimizer.zero_grad();
//       std::cout << step << "  " << loss.item() << '\n';
//     }
//   }
#pragma once
#include "siglip/check.h"
#include "siglip/checkpoint.h"
#include "siglip/config.h"
#include "siglip/data.h"
#include "siglip/doctor.h"
#include "siglip/error.h"
#include "siglip/loss.h"
#include "siglip/metrics.h"
#include "siglip/model.h"
#include "siglip/nn.h"
#include "siglip/ops.h"
#include "siglip/optim.h"
#include "siglip/pixels.h"
#include "siglip/real.h"
#include "siglip/rng.h"
#include "siglip/tape.h"
#include "siglip/tensor.h"
#include "siglip/tokenizer.h"
#include "siglip/train.h"
#include "siglip/version.h"
