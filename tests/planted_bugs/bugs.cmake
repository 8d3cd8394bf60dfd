# The bugs: page, what is wrong, the page's text (it must occur exactly once), what stands there instead. planted_bug() builds the page in
# double, planted_float_bug() in float, for what only shows there. Each replacement stays within the memory of its tensors.

# matmul
planted_bug(ops/matmul "the bias is not added" [[bias ? bias + m : nullptr]] [[N < 0 ? bias + m : nullptr]])
planted_bug(ops/matmul "few rows take the bias of the first block" [[bias ? bias + begin : nullptr]] [[bias]])
planted_bug(ops/matmul "the last panel of few rows is not packed" [[parallel_blocks(N, panel,]] [[parallel_blocks(N / panel * panel, panel,]])
planted_bug(ops/matmul "dw is transposed"
  [[product(dw_shares + block * M * K, K, transposed(dy_block), {x + n * K, K}, M, K, height);]]
  [[product(dw_shares + block * M * K, M, transposed({x + n * K, K}), dy_block, K, M, height);]])
planted_bug(ops/matmul "dx is assigned, not added" [[if (dx) add_product]] [[if (dx) product]])
planted_bug(ops/matmul "the gradient of the bias is forgotten" [[add_shares(dbias, dbias_shares, M);]] "")
planted_bug(ops/matmul "only the first block of rows gives its share of dw" [[for (Dim block = 0; block < count; ++block)]] [[for (Dim block = 0; block < 1; ++block)]])
planted_bug(ops/matmul "the share of dbias is read, never written" [[if (dbias) matrix(dbias_shares + block * M, 1, M) = matrix(dy_block.x, height, M).colwise().sum();]] "")
planted_bug(core/product "the second depth replaces the first" [[base.result || k > 0]] [[base.result]])
planted_bug(core/product "the last tile of a transposed factor is not copied" [[i < I; i += tile_rows) copy_up_to]] [[i + tile_rows <= I; i += tile_rows) copy_up_to]])
planted_bug(core/product "the second depth of a packed factor is the first" [[b.x + panels_size(k, b.J) +]] [[b.x +]])
planted_bug(core/product "a packed factor is read from its first column" [[(b.first + j) * deep]] [[j * deep]])

# add, add_rows, scale
planted_bug(ops/add "the last element of dy is skipped" [[accumulate, y.grad(), z.grad(), z.size()]] [[accumulate, y.grad(), z.grad(), z.size() - 1]])
planted_bug(ops/add "x is modified in place" [[z[i] = x[i] + y[i];]] [[z[i] = const_cast<Real*>(x)[i] += y[i];]])
planted_bug(ops/add "what is left over after whole blocks is skipped" [[parallel_blocks(N, block,]] [[parallel_blocks(N > block ? N / block * block : N, block,]])
planted_bug(ops/add_rows "db is assigned, not added" [[db[c] += dy[n * C + c];]] [[db[c] = dy[n * C + c];]])
planted_bug(ops/scale "ds has the wrong sign" [[*ds += static_cast<Real>(sum);]] [[*ds -= static_cast<Real>(sum);]])
planted_bug(ops/scale "dx lacks the factor s" [[dx[i] += factor * dy[i];]] [[dx[i] += dy[i];]])
planted_bug(ops/scale "the last element of every block but the first is not written" [[for (Dim i = begin; i < end; ++i) y[i] =]]
  [[for (Dim i = begin; i < end - (begin > 0); ++i) y[i] =]])
planted_bug(ops/scale "the sum of ds has as many parts as threads"
  [[for (Dim i = 0; i < N; ++i) sum += double(dy[i]) * double(x[i]);]]
  [[const Dim parts = omp_get_max_threads();
  for (Dim part = 0; part < parts; ++part) {
    double share = 0;
    for (Dim i = part; i < N; i += parts) share += double(dy[i]) * double(x[i]);
    sum += share;
  }]])

# gelu
planted_bug(ops/gelu "the factor 3 of p'(x) is dropped" [[3 * cubic]] [[cubic]])
planted_bug(ops/gelu "1 - h where 1 - h^2 is meant" [[(1 - hs.square())]] [[(1 - hs)]])
planted_bug(ops/gelu "tanh as a quotient of exponentials: infinity by infinity"
  [[Real(0.5) * xs * (1 + (sqrt_2_over_pi * xs * (1 + cubic * xs.square())).tanh());]]
  [[xs * (2 * sqrt_2_over_pi * xs * (1 + cubic * xs.square())).exp() / (1 + (2 * sqrt_2_over_pi * xs * (1 + cubic * xs.square())).exp());]])
planted_bug(ops/gelu "every thread reads dy from its start" [[dys(dy + i, size);]] [[dys(dy + i - first, size);]])

# softmax
planted_bug(ops/softmax "the sum over the row is missing: y dy alone" [[yn * (dyn - dot);]] [[yn * dyn;]])
planted_bug(ops/softmax "the largest value is not subtracted" [[(xn - xn.maxCoeff()).exp();]] [[xn.exp();]])
planted_bug(ops/softmax "the last column gets no gradient" [[ArrayMap(dx + n * C, C) += yn * (dyn - dot);]]
  [[ArrayMap(dx + n * C, C - 1) += (yn * (dyn - dot)).head(C - 1);]])

# layernorm
planted_bug(ops/layernorm "dx lacks the term of the variance" [[(dyn * gammas - sum_g - hn * sum_gh)]] [[(dyn * gammas - sum_g)]])
planted_bug(ops/layernorm "dx lacks the term of the mean" [[(dyn * gammas - sum_g - hn * sum_gh)]] [[(dyn * gammas - hn * sum_gh)]])
planted_bug(ops/layernorm "the variance is divided by C - 1" [[(xn - m).square().sum() / static_cast<Real>(C)]] [[(xn - m).square().sum() / static_cast<Real>(C - 1)]])
planted_bug(ops/layernorm "the workspace of dbeta is not set to zero" [[dbeta_share.setZero();]] "")
planted_bug(ops/layernorm "dgamma keeps its last block of rows alone" [[if (dgamma) ArrayMap(dgamma, C) +=]] [[if (dgamma) ArrayMap(dgamma, C) =]])
planted_float_bug(ops/layernorm "variance as E[x^2] - E[x]^2: a large mean cancels it"
  [[(xn - m).square().sum() / static_cast<Real>(C) + eps]] [[xn.square().sum() / static_cast<Real>(C) - m * m + eps]])

# l2_normalize
planted_bug(ops/l2_normalize "dx is not divided by the length" [[(dyn[c] - yn[c] * static_cast<Real>(dot)) / norm[n];]] [[(dyn[c] - yn[c] * static_cast<Real>(dot));]])
planted_bug(ops/l2_normalize "the length is taken as constant" [[(dyn[c] - yn[c] * static_cast<Real>(dot)) / norm[n];]] [[dyn[c] / norm[n];]])
planted_bug(ops/l2_normalize "the last element of the output is not written" [[for (Dim c = 0; c < C; ++c) y[n * C + c] = x[n * C + c] / norm[n];]]
  [[for (Dim c = 0; c < C - (n == N - 1); ++c) y[n * C + c] = x[n * C + c] / norm[n];]])
planted_bug(ops/l2_normalize "backward does not know the floor" [[norm[n] > smallest_norm ?]] [[norm[n] > 0 ?]])

# attention
planted_bug(ops/attention "backward lacks 1 / sqrt(D)" [[dp = p * (dp - dot) * factor;]] [[dp = p * (dp - dot);]])
planted_bug(ops/attention "the softmax rule lacks its sum" [[dp = p * (dp - dot) * factor;]] [[dp = p * dp * factor;]])
planted_bug(ops/attention "dk is made of k, not of q" [[{w.dp, 1, w.row}, {q + query, C, 1}, S, D, T);]] [[{w.dp, 1, w.row}, {k + key, C, 1}, S, D, T);]])
planted_bug(ops/attention "dq and dk change places"
  [[if (dq) w.multiply<true>(dq + query, C, {w.dp, w.row, 1}, {k + key, C, 1}, T, D, S);
    if (dk) w.multiply<true>(dk + key, C, {w.dp, 1, w.row}, {q + query, C, 1}, S, D, T);]]
  [[if (dk && T == S) w.multiply<true>(dk + query, C, {w.dp, w.row, 1}, {k + key, C, 1}, T, D, S);
    if (dq && T == S) w.multiply<true>(dq + key, C, {w.dp, 1, w.row}, {q + query, C, 1}, S, D, T);]])
planted_bug(ops/attention "dv is assigned, not added" [[if (dv) w.multiply<true>]] [[if (dv) w.multiply<false>]])
planted_float_bug(ops/attention "what all values have in common drowns dl" [[from_the_first(w.panels, v + key, S, D);]] "")
planted_bug(ops/attention "the largest logit is not subtracted" [[p = (p - m).exp();]] [[p = p.exp();]])
planted_bug(ops/attention "log_sum lacks the largest logit" [[m + std::log(sum);]] [[std::log(sum);]])

# patch_embedding, token_embedding, take_token, take_rows, repeat
planted_bug(ops/patch_embedding "patches run down the columns" [[g = bt % T / G, h = bt % T % G;]] [[h = bt % T / G, g = bt % T % G;]])
planted_bug(ops/patch_embedding "the gradient of a pixel is assigned, not added" [[dx[to + i] += dy[from + i];]] [[dx[to + i] = dy[from + i];]])
planted_bug(ops/token_embedding "a token that occurs twice keeps its last gradient alone" [[dtable[ids[n] * C + c] += dy[n * C + c];]]
  [[dtable[ids[n] * C + c] = dy[n * C + c];]])
planted_bug(ops/take_token "the gradient goes to the last token, whichever was taken" [[dx[(b * T + t) * C + c] +=]] [[dx[(b * T + T - 1) * C + c] +=]])
planted_bug(ops/take_rows "the gradient goes to the first rows" [[x.grad() + first]] [[x.grad()]])
planted_bug(ops/repeat "only the last copy gives its gradient" [[dx[i] += dy[b * N + i];]] [[dx[i] = dy[b * N + i];]])

# sigmoid_loss
planted_bug(loss/sigmoid_loss "a match is asked for by the column's place in its tile" [[is_match(i, tile.j + j)]] [[is_match(i, j)]])
planted_bug(loss/sigmoid_loss "equal ids are looked for on the diagonal tiles alone" [[return image_ids || tile.row_block == tile.column_block;]]
  [[return tile.row_block == tile.column_block;]])
planted_bug(loss/sigmoid_loss "ids of images are compared with themselves" [=[image_ids[i] == text_ids[j]]=] [=[image_ids[i] == image_ids[j]]=])
planted_bug(loss/sigmoid_loss "the gradient of a match has the wrong sign" [[g[j] = -sigmoid(-l[j]);]] [[g[j] = sigmoid(-l[j]);]])
planted_bug(loss/sigmoid_loss "dlog_t lacks t s" [[dot_in_double(g.data(), s, tile.columns);]] [[sum(g);]])
planted_bug(loss/sigmoid_loss "db is forgotten" [[sums.db += sum(g);]] "")
planted_bug(loss/sigmoid_loss "dU and dV lack t" [[row = t / divisor * g;]] [[row = 1 / divisor * g;]])
planted_bug(loss/sigmoid_loss "the upstream gradient is ignored" [[LAUNCH(x.device(), multiply_in_place, dx.data(), loss.grad(), dx.size());]] "")
planted_bug(loss/sigmoid_loss "the mean over pairs divides by B" [[Reduction::per_image ? B : B * B);]] [[Reduction::per_image ? B : B);]])
planted_bug(loss/sigmoid_loss "the texts' gradient goes to the images' block of the ring" [[add_product(dv + tile.j * E,]]
  [[add_product(dv + std::min(tile.i, B - tile.columns) * E,]])
planted_float_bug(loss/sigmoid_loss "softplus as ln(1 + e^l) overflows" [[sum(l.max(Real(0))) + sum_of_log1p(e);]] [[sum(l.exp().log1p());]])
planted_bug(loss/sigmoid_loss "the product of two factors lacks p q" [[e.segment(n, n) + e.head(n) * e.segment(n, n);]] [[e.segment(n, n);]])

# softmax_loss
planted_bug(loss/softmax_loss "every tile has a diagonal" [[if (tile.row_block == tile.column_block) g_row[r] -= 2;]] [[if (r < tile.columns) g_row[r] -= 2;]])
planted_bug(loss/softmax_loss "the choice among images gives no gradient" [[(l - log_sums[tile.i + r]).exp() + (l - column_log_sums).exp();]]
  [[(l - log_sums[tile.i + r]).exp();]])
planted_bug(loss/softmax_loss "the sum so far is not scaled to the new maximum" [[sum = sum * std::exp(largest - m) +]] [[sum = sum +]])
planted_bug(loss/softmax_loss "backward divides by B, not 2B" [[*dloss / static_cast<Real>(2 * B);]] [[*dloss / static_cast<Real>(B);]])
