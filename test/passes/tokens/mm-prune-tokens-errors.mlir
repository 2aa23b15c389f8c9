// RUN: mmcc-opt %s -split-input-file -verify-diagnostics --mm-prune-tokens=amount=keep=4

!all = tensor<1x15x8xf32>
!heads = tensor<1x1x15x8xf32>

func.func @keep_when_attention_is_by_distance(%image: tensor<1x12x8xf32>, %ids: tensor<1x3xi64>) -> !heads {
  %words = mm.constant dense<1.0> : tensor<20x8xf32>
  %text = mm.gather %words[%ids] axis 0 : tensor<20x8xf32>, tensor<1x3xi64> -> tensor<1x3x8xf32>
  %all = mm.concat %image, %text axis 1 : tensor<1x12x8xf32>, tensor<1x3x8xf32> -> !all
  %h = mm.reshape %all : !all -> !heads
  // expected-error@+1 {{--prune: image tokens cannot go: attends to tokens by their distance}}
  %a = mm.attention %h, %h, %h {causal = true, window = 5 : i64, scale = 1.0 : f64} : !heads, !heads, !heads -> !heads
  return %a : !heads
}

// -----

func.func @keep_when_image_tokens_are_taken_by_position(%image: tensor<1x12x8xf32>, %ids: tensor<1x3xi64>) -> tensor<1x2x8xf32> {
  %words = mm.constant dense<1.0> : tensor<20x8xf32>
  %text = mm.gather %words[%ids] axis 0 : tensor<20x8xf32>, tensor<1x3xi64> -> tensor<1x3x8xf32>
  %all = mm.concat %image, %text axis 1 : tensor<1x12x8xf32>, tensor<1x3x8xf32> -> tensor<1x15x8xf32>
  // expected-error@+1 {{image tokens cannot go: takes image tokens by their position}}
  %s = mm.slice %all offsets <[0, 11, 0]> steps [1, 1, 1] : tensor<1x15x8xf32> -> tensor<1x2x8xf32>
  return %s : tensor<1x2x8xf32>
}

// -----

// Without a bound on the text the last token may be one of the image.
func.func @keep_when_the_last_token_may_be_of_the_image(%image: tensor<1x12x8xf32>, %ids: tensor<1x?xi64, #mm.dims<[1, text]>>) -> tensor<1x1x8xf32> {
  %words = mm.constant dense<1.0> : tensor<20x8xf32>
  %text = mm.gather %words[%ids] axis 0 : tensor<20x8xf32>, tensor<1x?xi64, #mm.dims<[1, text]>> -> tensor<1x?x8xf32, #mm.dims<[1, text, 8]>>
  %all = mm.concat %image, %text axis 1 : tensor<1x12x8xf32>, tensor<1x?x8xf32, #mm.dims<[1, text, 8]>> -> tensor<1x?x8xf32, #mm.dims<[1, text + 12, 8]>>
  // expected-error@+1 {{image tokens cannot go: takes image tokens by their position}}
  %s = mm.slice %all offsets <[0, text + 11, 0]> steps [1, 1, 1] : tensor<1x?x8xf32, #mm.dims<[1, text + 12, 8]>> -> tensor<1x1x8xf32>
  return %s : tensor<1x1x8xf32>
}

// -----

func.func @keep_when_tokens_are_summed(%image: tensor<1x12x8xf32>, %ids: tensor<1x3xi64>) -> tensor<1x8xf32> {
  %words = mm.constant dense<1.0> : tensor<20x8xf32>
  %text = mm.gather %words[%ids] axis 0 : tensor<20x8xf32>, tensor<1x3xi64> -> tensor<1x3x8xf32>
  %all = mm.concat %image, %text axis 1 : tensor<1x12x8xf32>, tensor<1x3x8xf32> -> tensor<1x15x8xf32>
  // expected-error@+1 {{image tokens cannot go: combines tokens with each other}}
  %s = mm.reduce sum %all axes [1] keep false : tensor<1x15x8xf32> -> tensor<1x8xf32>
  return %s : tensor<1x8xf32>
}

// -----

func.func @keep_when_tokens_are_convolved(%image: tensor<1x12x8xf32>, %ids: tensor<1x3xi64>) -> tensor<1x15x8xf32> {
  %words = mm.constant dense<1.0> : tensor<20x8xf32>
  %text = mm.gather %words[%ids] axis 0 : tensor<20x8xf32>, tensor<1x3xi64> -> tensor<1x3x8xf32>
  %all = mm.concat %image, %text axis 1 : tensor<1x12x8xf32>, tensor<1x3x8xf32> -> tensor<1x15x8xf32>
  // expected-error@+1 {{image tokens cannot go: works on tokens by their position}}
  %s = mm.cumulative "sum" %all axis 1 : tensor<1x15x8xf32> -> tensor<1x15x8xf32>
  return %s : tensor<1x15x8xf32>
}

// -----

// expected-error@+1 {{--prune: several parts that are joined with text may be the image}}
func.func @keep_when_there_are_two_images(%a: tensor<1x12x8xf32>, %b: tensor<1x12x8xf32>, %ids: tensor<1x3xi64>) -> tensor<1x27x8xf32> {
  %words = mm.constant dense<1.0> : tensor<20x8xf32>
  %text = mm.gather %words[%ids] axis 0 : tensor<20x8xf32>, tensor<1x3xi64> -> tensor<1x3x8xf32>
  %all = mm.concat %a, %b, %text axis 1 : tensor<1x12x8xf32>, tensor<1x12x8xf32>, tensor<1x3x8xf32> -> tensor<1x27x8xf32>
  return %all : tensor<1x27x8xf32>
}

// -----

// expected-error@+1 {{--prune: no image tokens of a known number are joined with embedded text}}
func.func @keep_when_there_is_no_image(%ids: tensor<1x3xi64>) -> tensor<1x3x8xf32> {
  %words = mm.constant dense<1.0> : tensor<20x8xf32>
  %text = mm.gather %words[%ids] axis 0 : tensor<20x8xf32>, tensor<1x3xi64> -> tensor<1x3x8xf32>
  return %text : tensor<1x3x8xf32>
}

// -----

func.func @keep_when_more_are_asked_for_than_there_are(%image: tensor<1x3x8xf32>, %ids: tensor<1x3xi64>) -> tensor<1x6x8xf32> {
  %words = mm.constant dense<1.0> : tensor<20x8xf32>
  %text = mm.gather %words[%ids] axis 0 : tensor<20x8xf32>, tensor<1x3xi64> -> tensor<1x3x8xf32>
  // expected-error@-3 {{--prune: cannot keep 4 of 3 image tokens}}
  %all = mm.concat %image, %text axis 1 : tensor<1x3x8xf32>, tensor<1x3x8xf32> -> tensor<1x6x8xf32>
  return %all : tensor<1x6x8xf32>
}
