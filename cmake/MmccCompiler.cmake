# What the compiler rooms share: MLIR from the system, one precompiled header,
# one function a kind of target.

find_package(MLIR 19.1 REQUIRED CONFIG HINTS /usr/lib/llvm-19/lib/cmake/mlir)
list(APPEND CMAKE_MODULE_PATH ${MLIR_CMAKE_DIR} ${LLVM_CMAKE_DIR})
include(TableGen)
include(AddLLVM)
include(AddMLIR)
include_directories(SYSTEM ${MLIR_INCLUDE_DIRS}) # tablegen's search path

# The libraries that are installed; for what goes to other machines (tools/gpu), which
# sets MMCC_PORTABLE, their archives, in which the linker finds the few parts that are used.
file(GLOB MMCC_LLVM_ARCHIVES ${LLVM_LIBRARY_DIRS}/libMLIR*.a ${LLVM_LIBRARY_DIRS}/libLLVM*.a)
add_library(mmcc_llvm INTERFACE)
target_link_libraries(mmcc_llvm INTERFACE
  "$<IF:$<BOOL:$<TARGET_PROPERTY:MMCC_PORTABLE>>,${MMCC_LLVM_ARCHIVES},MLIR;LLVM>")

# MLIR's headers cost more than our sources: they are compiled once.
add_library(mmcc_mlir_pch OBJECT ${PROJECT_SOURCE_DIR}/cmake/pch.cpp)
target_include_directories(mmcc_mlir_pch SYSTEM PUBLIC ${MLIR_INCLUDE_DIRS} ${LLVM_INCLUDE_DIRS})
target_compile_definitions(mmcc_mlir_pch PUBLIC ${LLVM_DEFINITIONS})
target_compile_options(mmcc_mlir_pch PRIVATE -fno-exceptions)
target_precompile_headers(mmcc_mlir_pch PRIVATE ${PROJECT_SOURCE_DIR}/cmake/pch.h)

# mmcc_compiler_library(NAME SOURCES... DEPENDS targets... LINK libs...)
function(mmcc_compiler_library name)
  cmake_parse_arguments(ARG "" "" "LINK;DEPENDS" ${ARGN})
  add_library(${name} STATIC ${ARG_UNPARSED_ARGUMENTS})
  target_include_directories(${name} SYSTEM PUBLIC ${MLIR_INCLUDE_DIRS} ${LLVM_INCLUDE_DIRS})
  target_compile_definitions(${name} PUBLIC ${LLVM_DEFINITIONS})
  target_compile_options(${name} PRIVATE ${MMCC_WARNINGS} -fno-exceptions)
  target_precompile_headers(${name} REUSE_FROM mmcc_mlir_pch)
  target_link_libraries(${name} PUBLIC ${ARG_LINK} mmcc_llvm)
  if(ARG_DEPENDS)
    add_dependencies(${name} ${ARG_DEPENDS})
  endif()
endfunction()

# mmcc_compiler_tool(NAME SOURCES... LINK libs...)
function(mmcc_compiler_tool name)
  cmake_parse_arguments(ARG "" "" "LINK" ${ARGN})
  add_executable(${name} ${ARG_UNPARSED_ARGUMENTS})
  target_include_directories(${name} SYSTEM PRIVATE ${MLIR_INCLUDE_DIRS} ${LLVM_INCLUDE_DIRS})
  target_compile_definitions(${name} PRIVATE ${LLVM_DEFINITIONS})
  target_compile_options(${name} PRIVATE ${MMCC_WARNINGS} -fno-exceptions)
  # The precompiled header is position independent as in a library.
  set_target_properties(${name} PROPERTIES POSITION_INDEPENDENT_CODE OFF)
  target_compile_options(${name} PRIVATE -fPIC)
  target_precompile_headers(${name} REUSE_FROM mmcc_mlir_pch)
  target_link_libraries(${name} PRIVATE ${ARG_LINK} mmcc_llvm)
endfunction()

# mmcc_dialect_tablegen(TARGET NAME DIALECT): ops, types, attributes of one dialect.
function(mmcc_dialect_tablegen target name dialect)
  set(LLVM_TARGET_DEFINITIONS ${name}.td)
  mlir_tablegen(${name}Ops.h.inc -gen-op-decls)
  mlir_tablegen(${name}Ops.cpp.inc -gen-op-defs)
  mlir_tablegen(${name}Types.h.inc -gen-typedef-decls -typedefs-dialect=${dialect})
  mlir_tablegen(${name}Types.cpp.inc -gen-typedef-defs -typedefs-dialect=${dialect})
  mlir_tablegen(${name}Attrs.h.inc -gen-attrdef-decls -attrdefs-dialect=${dialect})
  mlir_tablegen(${name}Attrs.cpp.inc -gen-attrdef-defs -attrdefs-dialect=${dialect})
  mlir_tablegen(${name}Enums.h.inc -gen-enum-decls)
  mlir_tablegen(${name}Enums.cpp.inc -gen-enum-defs)
  mlir_tablegen(${name}Dialect.h.inc -gen-dialect-decls -dialect=${dialect})
  mlir_tablegen(${name}Dialect.cpp.inc -gen-dialect-defs -dialect=${dialect})
  add_public_tablegen_target(${target})
endfunction()
