//===- MM.td - Everything in the mm dialect -------------------*- tablegen -*-===//

include "dialects/mm/MMTensorOps.td"
include "dialects/mm/MMMathOps.td"
include "dialects/mm/MMModelOps.td"
include "dialects/mm/MMTokenOps.td"
include "dialects/mm/MMQuantOps.td"
include "dialects/mm/MMStateOps.td"
