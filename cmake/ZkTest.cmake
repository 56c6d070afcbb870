# zk_add_test(): one cmocka program, one entry for ctest.
#
#     zk_add_test(NAME deque SOURCES deque_test.c)
#     zk_add_test(NAME deque_race SOURCES deque_race_test.c race.c
#                 LIBS m LABELS stress slow TIMEOUT 300)
#
# The program sees the private headers and the hidden functions. Labels:
# `slow` for what takes more than a few seconds (run in the release build only).
# A program that exits with 77 counts as skipped.

pkg_check_modules(CMOCKA REQUIRED IMPORTED_TARGET cmocka)

# Options for the sanitizers, so that a report ends the program with a failure.
# Death tests fork from a program with threads, which TSan must be told to allow.
set(ZK_TEST_ENVIRONMENT
    "ASAN_OPTIONS=detect_stack_use_after_return=1:strict_string_checks=1"
    "UBSAN_OPTIONS=print_stacktrace=1"
    "TSAN_OPTIONS=halt_on_error=1:second_deadlock_stack=1:die_after_fork=0")

function(zk_add_test)
    cmake_parse_arguments(PARSE_ARGV 0 arg "" "NAME;TIMEOUT"
        "SOURCES;LIBS;LABELS")
    if(NOT arg_NAME OR NOT arg_SOURCES OR arg_UNPARSED_ARGUMENTS)
        message(FATAL_ERROR "zk_add_test: wants NAME and SOURCES; "
            "does not know '${arg_UNPARSED_ARGUMENTS}'")
    endif()
    if(NOT arg_TIMEOUT)
        set(arg_TIMEOUT 300)
    endif()

    set(program "${arg_NAME}_test")
    add_executable(${program} ${arg_SOURCES})
    target_link_libraries(${program} PRIVATE
        zkrt_internal zk_warnings PkgConfig::CMOCKA ${arg_LIBS})
    add_test(NAME ${arg_NAME} COMMAND ${program})
    set_tests_properties(${arg_NAME} PROPERTIES
        TIMEOUT ${arg_TIMEOUT}
        SKIP_RETURN_CODE 77
        LABELS "${arg_LABELS}"
        ENVIRONMENT "${ZK_TEST_ENVIRONMENT}")
endfunction()
