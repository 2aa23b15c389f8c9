// RUN: mmcc-opt %s | mmcc-opt | FileCheck %s

// 197 - 13 = 184 tokens are left.
// CHECK-LABEL: func @merging
func.func @merging(%x: tensor<?x197x768xf32, #mm.dims<[batch, 197, 768]>>, %k: tensor<?x197x64xf32, #mm.dims<[batch, 197, 64]>>, %s: tensor<?x197xf32, #mm.dims<[batch, 197]>>) {
  // CHECK: mm.match_tokens %{{.*}} {merged = 13 : i64, protect = 1 : i64} : {{.*}} -> tensor<?x197xi64, #mm.dims<[batch, 197]>>
  %0 = mm.match_tokens %k {merged = 13 : i64, protect = 1 : i64} : tensor<?x197x64xf32, #mm.dims<[batch, 197, 64]>> -> tensor<?x197xi64, #mm.dims<[batch, 197]>>
  // CHECK: mm.match_tokens %{{.*}} {merged = 98 : i64, neighbours = true}
  %1 = mm.match_tokens %k {merged = 98 : i64, neighbours = true} : tensor<?x197x64xf32, #mm.dims<[batch, 197, 64]>> -> tensor<?x197xi64, #mm.dims<[batch, 197]>>
  // CHECK: mm.merge_tokens %{{.*}}, %{{.*}} size %{{.*}} {left = 184 : i64} : {{.*}} -> tensor<?x184x768xf32, #mm.dims<[batch, 184, 768]>>
  %2 = mm.merge_tokens %x, %0 size %s : tensor<?x197xf32, #mm.dims<[batch, 197]>> {left = 184 : i64} : tensor<?x197x768xf32, #mm.dims<[batch, 197, 768]>>, tensor<?x197xi64, #mm.dims<[batch, 197]>> -> tensor<?x184x768xf32, #mm.dims<[batch, 184, 768]>>
  // CHECK: mm.merge_tokens %{{.*}}, %{{.*}} {left = 184 : i64} : {{.*}} -> tensor<?x184xf32, #mm.dims<[batch, 184]>>
  %3 = mm.merge_tokens %s, %0 {left = 184 : i64} : tensor<?x197xf32, #mm.dims<[batch, 197]>>, tensor<?x197xi64, #mm.dims<[batch, 197]>> -> tensor<?x184xf32, #mm.dims<[batch, 184]>>
  return
}

// CHECK-LABEL: func @choosing
func.func @choosing(%s: tensor<?x576x576xf32, #mm.dims<[batch, 576, 576]>>) {
  // CHECK: mm.select_tokens %{{.*}} {keep = 144 : i64} : {{.*}} -> tensor<?x144xi64, #mm.dims<[batch, 144]>>
  %0 = mm.select_tokens %s {keep = 144 : i64} : tensor<?x576x576xf32, #mm.dims<[batch, 576, 576]>> -> tensor<?x144xi64, #mm.dims<[batch, 144]>>
  return
}
