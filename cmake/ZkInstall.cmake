# What `cmake --install` puts in place: headers, both libraries, a pkg-config
# file, a CMake package and the manual. Examples install themselves.

include(CMakePackageConfigHelpers)

install(DIRECTORY "${PROJECT_SOURCE_DIR}/include/zkrt"
    DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}"
    FILES_MATCHING PATTERN "*.h" PATTERN "*.hpp")

# Two export sets: the static library needs hwloc's development files where it
# is linked, and users of the shared one shall not be asked for them.
set(package_dir "${CMAKE_INSTALL_LIBDIR}/cmake/zkrt")
install(TARGETS zkrt EXPORT zkrtSharedTargets)
install(TARGETS zkrt_static EXPORT zkrtStaticTargets)
foreach(set IN ITEMS zkrtSharedTargets zkrtStaticTargets)
    install(EXPORT ${set} NAMESPACE zkrt:: DESTINATION "${package_dir}")
endforeach()

if(TARGET zkrt_malloc)
    install(TARGETS zkrt_malloc)
endif()

configure_package_config_file(
    "${PROJECT_SOURCE_DIR}/cmake/zkrtConfig.cmake.in" zkrtConfig.cmake
    INSTALL_DESTINATION "${package_dir}"
    NO_SET_AND_CHECK_MACRO)
write_basic_package_version_file(zkrtConfigVersion.cmake
    COMPATIBILITY SameMinorVersion)
install(FILES
    "${CMAKE_CURRENT_BINARY_DIR}/zkrtConfig.cmake"
    "${CMAKE_CURRENT_BINARY_DIR}/zkrtConfigVersion.cmake"
    DESTINATION "${package_dir}")

# The file finds its prefix from where it lies, so an installed tree can move.
file(RELATIVE_PATH pc_up
    "${CMAKE_INSTALL_FULL_LIBDIR}/pkgconfig" "${CMAKE_INSTALL_PREFIX}")
string(REGEX REPLACE "/$" "" pc_up "${pc_up}")
configure_file("${PROJECT_SOURCE_DIR}/cmake/zkrt.pc.in" zkrt.pc @ONLY)
install(FILES "${CMAKE_CURRENT_BINARY_DIR}/zkrt.pc"
    DESTINATION "${CMAKE_INSTALL_LIBDIR}/pkgconfig")

# Sets and a file of its own: whoever does not ask for it needs no OpenMP.
if(TARGET zkrt_omp)
    install(TARGETS zkrt_omp EXPORT zkrtOmpTargets)
    install(TARGETS zkrt_omp_static EXPORT zkrtOmpStaticTargets)
    foreach(set IN ITEMS zkrtOmpTargets zkrtOmpStaticTargets)
        install(EXPORT ${set} NAMESPACE zkrt:: DESTINATION "${package_dir}")
    endforeach()
    configure_file("${PROJECT_SOURCE_DIR}/cmake/zkrt-omp.pc.in"
        zkrt-omp.pc @ONLY)
    install(FILES "${CMAKE_CURRENT_BINARY_DIR}/zkrt-omp.pc"
        DESTINATION "${CMAKE_INSTALL_LIBDIR}/pkgconfig")
endif()

set(man_dir "${PROJECT_SOURCE_DIR}/docs/man")
install(FILES "${man_dir}/zkrt.7" DESTINATION "${CMAKE_INSTALL_MANDIR}/man7")
install(FILES
    "${man_dir}/zk_fork.3"
    "${man_dir}/zk_heap_open.3"
    "${man_dir}/zk_malloc.3"
    "${man_dir}/zk_omp_phase_begin.3"
    "${man_dir}/zk_parallel_for.3"
    "${man_dir}/zk_parallel_reduce.3"
    "${man_dir}/zk_lanes_open.3"
    "${man_dir}/zk_phase_pages.3"
    "${man_dir}/zk_phase_reserve.3"
    "${man_dir}/zk_runtime_info.3"
    "${man_dir}/zk_runtime_open.3"
    "${man_dir}/zk_runtime_phase.3"
    "${man_dir}/zk_scratch_begin.3"
    "${man_dir}/zk_shared_alloc.3"
    "${man_dir}/zk_strerror.3"
    DESTINATION "${CMAKE_INSTALL_MANDIR}/man3")
if(ZK_BUILD_EXAMPLES)
    install(FILES "${man_dir}/zkprove.1" "${man_dir}/zkverify.1"
        DESTINATION "${CMAKE_INSTALL_MANDIR}/man1")
endif()

install(FILES "${PROJECT_SOURCE_DIR}/LICENSE"
    DESTINATION "${CMAKE_INSTALL_DOCDIR}")
