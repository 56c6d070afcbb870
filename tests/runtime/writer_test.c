/*
 * writer_test.c - the same calls as text and as JSON, whole and cut off.
 */
#include "tests/runtime/rt.h"

#include "runtime/writer.h"

static size_t
write_all(char *out, size_t room, bool json)
{
    struct zk_writer w;

    zk__write_begin(&w, out, room, json);
    zk__write_word(&w, "name", "a \"b\" \\ \n");
    zk__write_open(&w, "box");
    zk__write_number(&w, "n", UINT64_MAX);
    zk__write_bool(&w, "yes", true);
    zk__write_bytes(&w, "size", 3 * MIB, "none");
    zk__write_bytes(&w, "limit", SIZE_MAX, "none");
    zk__write_open_list(&w, "rows");
    for (unsigned i = 0; i < 2; i++) {
        zk__write_open_row(&w);
        zk__write_number(&w, "i", i);
        zk__write_word(&w, "what", "x");
        zk__write_close_row(&w);
    }
    zk__write_close_list(&w);
    zk__write_open_list(&w, "empty");
    zk__write_close_list(&w);
    zk__write_close(&w);
    zk__write_open(&w, "nothing");
    zk__write_close(&w);
    return zk__write_end(&w);
}

static const char as_json[] = "{\n"
                              "  \"name\": \"a \\\"b\\\" \\\\ \\u000a\",\n"
                              "  \"box\": {\n"
                              "    \"n\": 18446744073709551615,\n"
                              "    \"yes\": true,\n"
                              "    \"size\": 3145728,\n"
                              "    \"limit\": null,\n"
                              "    \"rows\": [\n"
                              "      {\n"
                              "        \"i\": 0,\n"
                              "        \"what\": \"x\"\n"
                              "      },\n"
                              "      {\n"
                              "        \"i\": 1,\n"
                              "        \"what\": \"x\"\n"
                              "      }\n"
                              "    ],\n"
                              "    \"empty\": []\n"
                              "  },\n"
                              "  \"nothing\": {}\n"
                              "}\n";

static const char as_text[] = "name: a \"b\" \\ \n\n"
                              "box: \n"
                              "  n: 18446744073709551615\n"
                              "  yes: yes\n"
                              "  size: 3 MiB\n"
                              "  limit: none\n"
                              "  rows: \n"
                              "    - i 0, what x\n"
                              "    - i 1, what x\n"
                              "  empty: \n"
                              "nothing: \n";

static void
test_the_whole_is_written_as_text_and_as_json(void **state)
{
    char out[1024];

    (void)state;
    assert_int_equal(write_all(out, sizeof out, true), strlen(as_json));
    assert_string_equal(out, as_json);
    assert_int_equal(write_all(out, sizeof out, false), strlen(as_text));
    assert_string_equal(out, as_text);
}

static void
test_what_does_not_fit_is_cut_and_counted(void **state)
{
    (void)state;
    for (size_t room = 0; room <= sizeof as_json + 8; room++) {
        char *out = malloc(room + 1);
        size_t kept = room == 0               ? 0
                      : room < sizeof as_json ? room - 1
                                              : sizeof as_json - 1;

        assert_non_null(out);
        out[room] = '#'; /* one byte beyond */
        assert_int_equal(write_all(out, room, true), strlen(as_json));
        assert_int_equal(out[room], '#');
        if (room != 0) {
            assert_int_equal(strlen(out), kept);
            assert_memory_equal(out, as_json, kept);
        }
        free(out);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_whole_is_written_as_text_and_as_json),
        cmocka_unit_test(test_what_does_not_fit_is_cut_and_counted),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
