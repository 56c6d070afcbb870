"""What counts.py finds out, and what it lets pass."""

import contextlib
import io
import unittest

import counts


def wrong(figures, committed):
    with contextlib.redirect_stdout(io.StringIO()):
        return counts.compare(figures, committed)


class Compare(unittest.TestCase):
    def test_what_is_the_same_passes(self):
        self.assertEqual(wrong({"a": 10.0, "b": 3.0}, {"a": 10.0, "b": 3.0}),
                         0)

    def test_growth_of_more_than_three_percent_fails(self):
        self.assertEqual(wrong({"a": 103.1}, {"a": 100.0}), 1)
        self.assertEqual(wrong({"a": 102.9}, {"a": 100.0}), 0)

    def test_one_instruction_of_a_short_path_fails(self):
        self.assertEqual(wrong({"a": 9.0}, {"a": 8.0}), 1)

    def test_less_passes(self):
        self.assertEqual(wrong({"a": 50.0}, {"a": 100.0}), 0)

    def test_a_path_that_vanished_or_appeared_fails(self):
        self.assertEqual(wrong({}, {"a": 1.0}), 1)
        self.assertEqual(wrong({"a": 1.0}, {}), 1)


class Dumps(unittest.TestCase):
    def test_only_marked_parts_count(self):
        text = ("part: 1\ndesc: Trigger: Client Request: 1 x\nsummary: 70\n"
                "totals: 70\npart: 2\ndesc: Trigger: Client Request: 2 x\n"
                "totals: 120\npart: 3\ndesc: Trigger: Program termination\n"
                "totals: 999\n")
        self.assertEqual(counts.dumps(text), {"1 x": 70, "2 x": 120})


if __name__ == "__main__":
    unittest.main()
