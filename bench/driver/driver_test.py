"""What the driver decides without running anything."""

import os
import random
import shutil
import tempfile
import unittest

import groups
import main
import plots
import report
import rows
import run
import stats
import targets

NO_ROW = {"title": "", "best_peer": None, "targets": []}


def all_rows(size):
    return {name: make(rows.Size(size)).rows
            for name, make in groups.GROUPS.items()}


def filled(size):
    """JSON of all groups, in which everybody takes 1, or i in round i."""
    found = {}
    for name, make in groups.GROUPS.items():
        group = make(rows.Size(size))
        samples = run.Samples()
        for row in group.rows:
            keys = [row.ours] + row.peers + row.limits
            keys += [t.reference for t in row.targets if t.reference]
            for key in keys:
                for i in range(3):
                    samples.put(i, key, 1.0 + i)
        samples.put(0, "zkrt/resident", [[0.0, 1.0], [1.0, 2.0]])
        samples.taken = 1
        for log in range(10, 25):
            samples.put(0, f"zkrt/trace_{log}", 2.0)
        found[name] = {
            "rows": [report.judge(row, samples) for row in group.rows],
            "samples": samples.values, "samples_taken": 1,
            "samples_disturbed": 0, "size": size, "modified": False,
            "commit": "0" * 40, "date": "2000-01-01T00:00:00",
            "machine": "none", "cores": 2, "kernel": "6.0"}
    return found


class Targets(unittest.TestCase):
    def test_each_line_of_the_table_has_a_row(self):
        known = all_rows("full")
        for words, where in targets.TARGETS:
            for group, begin in [] if isinstance(where, str) else where:
                self.assertTrue(
                    any(r.title.startswith(begin) and r.targets
                        for r in known[group]), f"{words}: {group}: {begin}")

    def test_each_target_of_a_row_is_in_the_table(self):
        wanted = [pair for _, where in targets.TARGETS
                  if not isinstance(where, str) for pair in where]
        for group, found in all_rows("full").items():
            for row in found:
                if row.targets:
                    self.assertTrue(
                        any(g == group and row.title.startswith(b)
                            for g, b in wanted), f"{group}: {row.title}")

    def test_verdicts_are_counted(self):
        found = filled("full")
        text = targets.table(found)
        self.assertIn("not measurable here", text)
        self.assertNotIn("not measured: tools/bench", text)
        self.assertRegex(text, r"\n\d+ met, \d+ missed, \d+ not measured\n")
        self.assertIn("not measured: tools/bench heap", targets.table({}))

    def test_some_groups_have_their_own_targets_only(self):
        text = targets.table(filled("full"), ["loops"])
        self.assertIn("irregular", text)
        self.assertNotIn("tools/bench", text)
        self.assertEqual(targets.table({}, ["growth"]), "")


class Rounds(unittest.TestCase):
    def test_contenders_of_a_test_take_turns(self):
        jobs = [run.Job(c, [], test=t, turns=n)
                for t, n in (("a", 3), ("b", 1)) for c in "xy"]
        said = [(job.test, turn, job.contender)
                for turn, job in run.in_order(jobs, random.Random(1))]
        self.assertEqual(sorted(said), sorted(
            [("a", turn, c) for turn in range(3) for c in "xy"] +
            [("b", 0, c) for c in "xy"]))
        tests = [test for test, _, _ in said]
        self.assertEqual(tests.count("a"), 6)
        self.assertEqual(len([1 for a, b in zip(tests, tests[1:])
                              if a != b]), 1, "a test is interrupted")
        turns = [turn for test, turn, _ in said if test == "a"]
        self.assertEqual(turns, sorted(turns), "a turn is interrupted")

    def test_what_slows_both_sides_is_not_in_a_ratio(self):
        slow = [1, 1.7, 1, 1.7, 1.7, 1, 1]
        value, low, high = stats.ratio([4 * s for s in slow],
                                       [2 * s for s in slow])
        for found in (value, low, high):
            self.assertAlmostEqual(found, 2)

    def test_few_rounds_have_no_interval(self):
        self.assertEqual(stats.ratio([4, 4, None], [2, 2, 2]),
                         (2, 0.0, float("inf")))
        self.assertIsNone(stats.ratio([None], [1]))

    def test_derived_figures_are_of_one_round(self):
        samples = run.Samples()
        for i, (a, b) in enumerate([(1, 2), (None, 3), (3, 4)]):
            samples.put(i, "a", a)
            samples.put(i, "b", b)
        run.derive(samples, [("sum", lambda a, b: a + b, "a", "b"),
                             ("twice", lambda x: 2 * x, "sum")])
        self.assertEqual(samples.get("sum"), [3, None, 7])
        self.assertEqual(samples.get("twice"), [6, None, 14])


class Compare(unittest.TestCase):
    def run_with(self, low, high):
        best = {"key": "peer/x", "ratio": low, "low": low, "high": high}
        return {"g": {"rows": [{"title": "t", "best_peer": best,
                                "targets": []}]}}

    def test_intervals_that_overlap_agree(self):
        said = targets.compare(self.run_with(1.0, 1.2), self.run_with(1.1, 2))
        self.assertTrue(said.startswith("1 ratios agree"))

    def test_intervals_apart_do_not(self):
        said = targets.compare(self.run_with(1.0, 1.2), self.run_with(1.3, 2))
        self.assertTrue(said.startswith("0 ratios agree"))
        self.assertIn("g: t to peer", said)

    def test_a_ratio_without_an_interval_says_nothing(self):
        said = targets.compare(self.run_with(1.0, None), self.run_with(5, 6))
        self.assertTrue(said.startswith("0 ratios agree within their "
                                        "intervals, 0 do not"))


class Shares(unittest.TestCase):
    def test_shares_of_all_groups_fill_the_time(self):
        for size in main.MINUTES:
            names = list(groups.GROUPS)
            share = main.shares(names, rows.Size(size), main.time.monotonic())
            self.assertLess(share(names[0]), main.MINUTES[size] * 60 / 3)
            self.assertAlmostEqual(share(names[-1]), main.MINUTES[size] * 60,
                                   delta=1)

    def test_each_group_has_a_weight(self):
        for weights in groups.SECONDS.values():
            self.assertEqual(set(weights), set(groups.GROUPS))

    def test_late_groups_get_nothing_and_run_once(self):
        share = main.shares(["heap", "proof"], rows.Size("full"), -1e9)
        self.assertEqual(share("proof"), 0)


class Pictures(unittest.TestCase):
    def test_all_are_drawn(self):
        if shutil.which("gnuplot") is None:
            self.skipTest("no gnuplot")
        with tempfile.TemporaryDirectory() as here:
            plots.draw(filled("full"), here)
            for name in ("ratios", "growth", "memory"):
                with open(os.path.join(here, name + ".svg"),
                          encoding="utf-8") as f:
                    self.assertTrue(f.read().rstrip().endswith("</svg>"))

    def test_a_gain_is_turned_round(self):
        row = dict(NO_ROW, title="sumcheck: gain of 2 workers", unit="x",
                   best_peer={"key": "p/x", "ratio": 2.0, "low": 1.0,
                              "high": 4.0})
        said = plots.bars({"kernels": {"rows": [row]}})
        self.assertEqual(said[0][1:4], (0.5, 0.25, 1.0))


if __name__ == "__main__":
    unittest.main()
