// RUN: mmcc-opt %s --mm-lower-to-plan="target=cpu:x86-64-v4" | FileCheck %s
// RUN: mmcc-opt %s --mm-lower-to-plan="target=cpu:x86-64-v4" | mmcc-opt | FileCheck %s

// What stands in for an entry in calls that leave inputs out.

// CHECK-LABEL: plan.entry @chat symbols
// CHECK-SAME: inputs ["image.x", "text.y"]
// CHECK-SAME: absences {"chat-without-image" = ["image.x"]}
func.func @chat(%x: tensor<4xf32> {mm.name = "image.x"}, %y: tensor<4xf32> {mm.name = "text.y"}) -> tensor<4xf32>
    attributes {mm.absences = {"chat-without-image" = ["image.x"]}} {
  %0 = mm.add %x, %y : tensor<4xf32>, tensor<4xf32> -> tensor<4xf32>
  return %0 : tensor<4xf32>
}

// CHECK-LABEL: plan.entry @"chat-without-image"
// CHECK-NOT: absences
func.func @"chat-without-image"(%y: tensor<4xf32> {mm.name = "text.y"}) -> tensor<4xf32> {
  %0 = mm.neg %y : tensor<4xf32> -> tensor<4xf32>
  return %0 : tensor<4xf32>
}
