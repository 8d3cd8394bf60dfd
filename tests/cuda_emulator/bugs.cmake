# The bugs of the CUDA twins: page, what is wrong, the page's text (it must occur exactly once), what stands there instead.

planted_cuda_bug(ops/softmax "the sum over the row is missing" [[yn[c] * (dyn[c] - dot);]] [[yn[c] * dyn[c];]])
planted_cuda_bug(ops/softmax "the last columns of a wide row are left out" [[sum += yn[c] = std::exp(xn[c] - m);]]
  [[if (c + 1 < C || C == 1) sum += yn[c] = std::exp(xn[c] - m);]])
planted_cuda_bug(ops/layernorm "dx lacks the term of the variance" [[ - (xn[c] - m) * r * sum_gh);]] [[);]])
planted_cuda_bug(ops/layernorm "dbeta keeps its last row alone" [[dbeta += dy[n * C + c];]] [[dbeta = dy[n * C + c];]])
planted_cuda_bug(ops/l2_normalize "dx is not divided by the length" [[(dyn[c] - yn[c] * along) / length;]] [[(dyn[c] - yn[c] * along);]])
planted_cuda_bug(ops/gelu "the factor 3 of p'(x) is dropped" [[3 * cubic]] [[cubic]])
planted_cuda_bug(ops/scale "dx is assigned, not added" [[dx[i] += *s * dy[i];]] [[dx[i] = *s * dy[i];]])
planted_cuda_bug(ops/matmul "dw is assigned, not added" [[transposed(fdy), factor(x, N, K), M, K, N, 1)]] [[transposed(fdy), factor(x, N, K), M, K, N, 0)]])
planted_cuda_bug(ops/matmul "dx is made of x, not of w" [[product("matmul", dx, K, fdy, factor(w, M, K), N, K, M, 1);]]
  [[product("matmul", dx, K, fdy, factor(x, N, K), N, K, N < M ? N : M, 1);]])
planted_cuda_bug(ops/attention "backward lacks 1 / sqrt(D)" [[p[r][c] * (dp[r][c] - dots[r]) * factor;]] [[p[r][c] * (dp[r][c] - dots[r]);]])
planted_cuda_bug(ops/attention "what was summed does not shrink when a larger logit comes" [[out[r][g] *= shrink;]] [[out[r][g] *= 1;]])
planted_cuda_bug(ops/attention "the barrier before the weights are overwritten is missing"
  [[const Real (&dots)[per], Real factor) {
  __syncthreads();]] [[const Real (&dots)[per], Real factor) {]])
planted_cuda_bug(ops/patch_embedding "patches run down the columns" [[g = patch % (G * G) / G, h = patch % G;]] [[h = patch % (G * G) / G, g = patch % G;]])
planted_cuda_bug(ops/token_embedding "every token with an id adds the rows that follow it" [[if (block_reduce(earlier, partial, Larger())) return;]]
  [[if (block_reduce(earlier, partial, Larger()) > 1) return;]])
planted_cuda_bug(ops/layernorm "what is saved lies one row further, past the end at last" [[mean[blockIdx.x] = m, rstd[blockIdx.x] = r;]]
  [[mean[blockIdx.x] = m, rstd[blockIdx.x + 1] = r;]])
planted_cuda_bug(ops/take_token "the gradient goes to the first token" [[dx[(i / C * T + t) * C + i % C] += dy[i];]] [[dx[i / C * T * C + i % C] += dy[i];]])
planted_cuda_bug(loss/sigmoid_loss "texts are shifted by one" [[: own + r;  // the id]] [[: own + r + 1;  // the id]])
planted_cuda_bug(loss/sigmoid_loss "db has the wrong divisor" [[if (db) *db = static_cast<Real>(sums[1]);]] [[if (db) *db = static_cast<Real>(sums[1] * double(divisor));]])
planted_cuda_bug(loss/softmax_loss "columns take the sums of rows" [[std::exp(l - column_log_sums[c]);]] [[std::exp(l - row_log_sums[r]);]])
