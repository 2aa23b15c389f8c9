// RUN: mmcc-opt %s --mm-form-attention=explain=true --split-input-file --verify-diagnostics -o /dev/null

func.func @keep_when_probabilities_are_read(%q: tensor<1x2x5x4xf32>, %kt: tensor<1x2x4x5xf32>, %v: tensor<1x2x5x4xf32>) -> (tensor<1x2x5x4xf32>, tensor<1x2x5x5xf32>) {
  %s = mm.matmul %q, %kt : tensor<1x2x5x4xf32>, tensor<1x2x4x5xf32> -> tensor<1x2x5x5xf32>
  // expected-remark @below {{no attention: the probabilities have another use}}
  %p = mm.softmax %s axis 3 : tensor<1x2x5x5xf32> -> tensor<1x2x5x5xf32>
  %o = mm.matmul %p, %v : tensor<1x2x5x5xf32>, tensor<1x2x5x4xf32> -> tensor<1x2x5x4xf32>
  return %o, %p : tensor<1x2x5x4xf32>, tensor<1x2x5x5xf32>
}

// -----

func.func @keep_when_scores_are_an_input(%s: tensor<1x2x5x5xf32>, %v: tensor<1x2x5x4xf32>) -> tensor<1x2x5x4xf32> {
  // expected-remark @below {{no attention: the scores come from outside}}
  %p = mm.softmax %s axis 3 : tensor<1x2x5x5xf32> -> tensor<1x2x5x5xf32>
  %o = mm.matmul %p, %v : tensor<1x2x5x5xf32>, tensor<1x2x5x4xf32> -> tensor<1x2x5x4xf32>
  return %o : tensor<1x2x5x4xf32>
}
