# find_package(mmcc) gives mmcc::runtime (shared) and mmcc::runtime_static.
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

install(TARGETS mmcc_runtime mmcc_runtime_shared EXPORT mmccTargets
  LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR} ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(DIRECTORY include/mmcc DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
install(EXPORT mmccTargets NAMESPACE mmcc:: DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/mmcc)
file(WRITE ${CMAKE_CURRENT_BINARY_DIR}/mmccConfig.cmake
"include(CMakeFindDependencyMacro)
find_dependency(Threads)
include(\${CMAKE_CURRENT_LIST_DIR}/mmccTargets.cmake)
")
write_basic_package_version_file(${CMAKE_CURRENT_BINARY_DIR}/mmccConfigVersion.cmake
  VERSION ${PROJECT_VERSION} COMPATIBILITY SameMinorVersion)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/mmccConfig.cmake ${CMAKE_CURRENT_BINARY_DIR}/mmccConfigVersion.cmake
  DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/mmcc)
