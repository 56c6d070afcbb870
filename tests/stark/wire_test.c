/*
 * wire_test.c - the bytes of numbers, of digests as text, and of files.
 *
 * Owns:   bounds and canonical forms at the program's edges.
 * Never:  needs more than a directory for temporary files.
 */
#include "wire.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "digest_text.h"
#include "file_io.h"
#include "support.h"

static void
test_what_is_put_can_be_taken(void **state)
{
    uint8_t bytes[64];
    struct wire_writer w = {.bytes = bytes, .capacity = sizeof bytes};
    struct wire_reader r = {.at = bytes, .left = 24};
    fq_t v;

    (void)state;
    wire_put64(&w, UINT64_C(0x0123456789abcdef));
    wire_put_fq(&w, (fq_t){5, FP_P - 1});
    assert_int_equal(w.length, 24);
    assert_int_equal(bytes[0], 0xef);
    assert_int_equal(wire_take64(&r), UINT64_C(0x0123456789abcdef));
    assert_non_null(wire_take_fqs(&r, &v, 1));
    assert_int_equal(v.a, 5);
    assert_int_equal(v.b, FP_P - 1);
    assert_int_equal(r.left, 0);
}

static void
test_an_unreduced_element_is_refused(void **state)
{
    uint8_t bytes[16];
    struct wire_writer w = {.bytes = bytes, .capacity = sizeof bytes};
    struct wire_reader r = {.at = bytes, .left = sizeof bytes};
    fp_t v[2];

    (void)state;
    wire_put64(&w, 1);
    wire_put64(&w, FP_P);
    assert_null(wire_take_fps(&r, v, 2));
    assert_int_equal(r.fault, WIRE_NONCANONICAL);
}

static void
test_reading_past_the_end_sticks(void **state)
{
    uint8_t bytes[12] = {0};
    struct wire_reader r = {.at = bytes, .left = sizeof bytes};

    (void)state;
    assert_non_null(wire_take(&r, 8));
    assert_null(wire_take(&r, 8));
    assert_int_equal(r.fault, WIRE_SHORT);
    assert_null(wire_take(&r, 1));
    assert_null(wire_take(&r, SIZE_MAX));
}

static void
test_writing_past_the_end_is_noticed(void **state)
{
    uint8_t bytes[8];
    struct wire_writer w = {.bytes = bytes, .capacity = sizeof bytes};

    (void)state;
    wire_put64(&w, 1);
    assert_false(w.overrun);
    wire_put(&w, bytes, 1);
    assert_true(w.overrun);
    assert_int_equal(w.length, 8);
}

static void
test_a_digest_survives_its_text(void **state)
{
    (void)state;
    test_seed();
    for (int i = 0; i < 1000; i++) {
        fp_t digest[P2_DIGEST], again[P2_DIGEST];
        char text[DIGEST_TEXT_DIGITS + 1];

        for (size_t k = 0; k < P2_DIGEST; k++)
            digest[k] = test_fp();
        digest_text_format(digest, text);
        assert_int_equal(strlen(text), 64);
        assert_true(digest_text_parse((uint8_t *)text, 64, again));
        assert_memory_equal(digest, again, sizeof digest);
    }
}

static bool
parses(const char *text)
{
    fp_t digest[P2_DIGEST];

    return digest_text_parse((const uint8_t *)text, strlen(text), digest);
}

#define ZEROS_63 \
    "000000000000000000000000000000000000000000000000000000000000000"

static void
test_only_64_digits_and_a_newline_are_a_digest(void **state)
{
    (void)state;
    assert_true(parses(ZEROS_63 "0"));
    assert_true(parses(ZEROS_63 "F\n"));
    assert_false(parses(""));
    assert_false(parses(ZEROS_63));
    assert_false(parses(ZEROS_63 "\n"));
    assert_false(parses(ZEROS_63 "00"));
    assert_false(parses(ZEROS_63 "0\n\n"));
    assert_false(parses(ZEROS_63 "g"));
    assert_false(parses(" " ZEROS_63));
}

static void
test_a_digest_of_an_unreduced_number_is_refused(void **state)
{
    (void)state;
    assert_true(parses("ffffffff00000000"
                       "000000000000000000000000000000000000000000000000"));
    assert_false(parses("ffffffff00000001"
                        "000000000000000000000000000000000000000000000000"));
}

/* A directory of its own, and a path in it. */
struct place {
    char directory[64];
    char path[96];
};

static struct place
make_place(void)
{
    struct place p;

    strcpy(p.directory, "/tmp/zkrt-wire-XXXXXX");
    assert_non_null(mkdtemp(p.directory));
    snprintf(p.path, sizeof p.path, "%s/file", p.directory);
    return p;
}

/* Fails when anything but the file was left in the directory. */
static void
remove_place(const struct place *p)
{
    (void)unlink(p->path);
    assert_int_equal(rmdir(p->directory), 0);
}

static void
test_a_published_file_can_be_read(void **state)
{
    struct place p = make_place();
    struct file_draft draft;
    struct file_bytes read;

    (void)state;
    assert_int_equal(file_draft_write(&draft, p.path, "hello", 5), 0);
    assert_int_equal(access(p.path, F_OK), -1);
    assert_int_equal(file_draft_publish(&draft), 0);
    assert_int_equal(file_read(p.path, 5, &read), 0);
    assert_int_equal(read.length, 5);
    assert_memory_equal(read.data, "hello", 5);
    free(read.data);
    remove_place(&p);
}

static void
test_a_discarded_draft_leaves_nothing(void **state)
{
    struct place p = make_place();
    struct file_draft draft;

    (void)state;
    assert_int_equal(file_draft_write(&draft, p.path, "hello", 5), 0);
    file_draft_discard(&draft);
    file_draft_discard(&draft);
    remove_place(&p);
}

static void
test_a_directory_is_not_overwritten(void **state)
{
    struct place p = make_place();
    struct file_draft draft;

    (void)state;
    assert_int_equal(mkdir(p.path, 0700), 0);
    assert_int_equal(file_draft_write(&draft, p.path, "hello", 5), EISDIR);
    file_draft_discard(&draft);
    assert_int_equal(rmdir(p.path), 0);
    remove_place(&p);
}

static void
test_a_full_device_is_an_error(void **state)
{
    struct file_draft draft;

    (void)state;
    assert_int_equal(file_draft_write(&draft, "/dev/full", "hello", 5), ENOSPC);
}

static void
test_a_longer_file_than_the_limit_is_refused(void **state)
{
    struct place p = make_place();
    struct file_draft draft;
    struct file_bytes read;

    (void)state;
    assert_int_equal(file_draft_write(&draft, p.path, "hello", 5), 0);
    assert_int_equal(file_draft_publish(&draft), 0);
    assert_int_equal(file_read(p.path, 4, &read), EFBIG);
    assert_int_equal(file_read("/dev/zero", 100000, &read), EFBIG);
    assert_int_equal(file_read(p.directory, 4, &read), EISDIR);
    remove_place(&p);
    assert_int_equal(file_read(p.path, 4, &read), ENOENT);
}

static void
test_an_empty_file_can_be_read(void **state)
{
    struct file_bytes read;

    (void)state;
    assert_int_equal(file_read("/dev/null", 100, &read), 0);
    assert_int_equal(read.length, 0);
    free(read.data);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_put_can_be_taken),
        cmocka_unit_test(test_an_unreduced_element_is_refused),
        cmocka_unit_test(test_reading_past_the_end_sticks),
        cmocka_unit_test(test_writing_past_the_end_is_noticed),
        cmocka_unit_test(test_a_digest_survives_its_text),
        cmocka_unit_test(test_only_64_digits_and_a_newline_are_a_digest),
        cmocka_unit_test(test_a_digest_of_an_unreduced_number_is_refused),
        cmocka_unit_test(test_a_published_file_can_be_read),
        cmocka_unit_test(test_a_discarded_draft_leaves_nothing),
        cmocka_unit_test(test_a_directory_is_not_overwritten),
        cmocka_unit_test(test_a_full_device_is_an_error),
        cmocka_unit_test(test_a_longer_file_than_the_limit_is_refused),
        cmocka_unit_test(test_an_empty_file_can_be_read),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
