# zk_warnings: link it to compile at the project's warning level.

add_library(zk_warnings INTERFACE)

target_compile_options(zk_warnings INTERFACE
    -Wall
    -Wextra
    -Wpedantic
    -Wconversion
    -Wshadow
    -Wcast-qual
    -Wwrite-strings
    -Wvla
    -Wundef
    -Wpointer-arith
    -Wdouble-promotion
    -Wformat=2
    $<$<COMPILE_LANGUAGE:C>:-Wstrict-prototypes>
    $<$<COMPILE_LANGUAGE:C>:-Wmissing-prototypes>
    $<$<COMPILE_LANGUAGE:CXX>:-Wnon-virtual-dtor>
    $<$<BOOL:${ZK_WERROR}>:-Werror>)

# Not -Wnull-dereference: gcc 12 sees it in hwloc's inline functions.
#
# A sanitizer's instrumentation makes gcc see unset variables on paths that do
# not exist.
if(ZK_SANITIZE AND CMAKE_C_COMPILER_ID STREQUAL "GNU")
    target_compile_options(zk_warnings INTERFACE -Wno-maybe-uninitialized)
endif()

# gcc says that TSan does not model fences. The code knows: what is published
# rides on releases, and a fence only orders (private/atomic.h).
if(ZK_SANITIZE MATCHES "thread" AND CMAKE_C_COMPILER_ID STREQUAL "GNU")
    target_compile_options(zk_warnings INTERFACE -Wno-tsan)
endif()
