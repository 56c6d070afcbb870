"""What the driver decides without running anything."""

import math
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
    def test_contenders_of_a_test_follow_each_other(self):
        jobs = [run.Job(c, [], test=t) for t in "ab" for c in "xyz"]
        said = [(job.test, job.contender)
                for job in run.in_order(jobs, random.Random(1))]
        self.assertEqual(sorted(said), [(t, c) for t in "ab" for c in "xyz"])
        self.assertEqual(len([1 for a, b in zip(said, said[1:])
                              if a[0] != b[0]]), 1, "a test is interrupted")

    def test_one_contender_runs_twice(self):
        jobs = [run.Job("zkrt", ["a"], test="t"), run.Job("x", ["b"])]
        more = run.again(jobs, "zkrt")
        self.assertEqual(more[:2], jobs)
        self.assertEqual([(j.contender, j.argv, j.test) for j in more[2:]],
                         [("zkrt again", ["a"], "t")])
        samples = run.Samples()
        samples.add(0, "zkrt", {"own": 1, "hand/other": 2})
        samples.add(0, "zkrt again", {"own": 3, "hand/other": 4})
        self.assertEqual(samples.values, {"zkrt/own": [1], "hand/other": [2],
                                          "zkrt again/own": [3]})

    def test_some_run_in_some_rounds_only(self):
        with tempfile.TemporaryDirectory() as here:
            program = os.path.join(here, "one")
            with open(program, "w", encoding="utf-8") as f:
                f.write("#!/bin/sh\necho took 1\n")
            os.chmod(program, 0o700)
            rounds = run.Rounds([run.Job("x", ["one"]),
                                 run.Job("y", ["one"], every=2),
                                 run.Job("z", ["none"])], [], here)
            for _ in range(3):
                rounds.another(random.Random(1), lambda: 0, lambda text: None)
        self.assertEqual(rounds.samples.values, {"x/took": [1, 1, 1],
                                                 "y/took": [1, None, 1]})
        self.assertEqual(rounds.samples.failures, ["none was not built"])
        self.assertEqual(rounds.count, 3)

    def test_what_slows_both_sides_is_not_in_a_ratio(self):
        slow = [1, 1.7, 1, 1.7, 1.7, 1, 1]
        value, low, high = stats.ratio([4 * s for s in slow],
                                       [2 * s for s in slow])
        self.assertAlmostEqual(value, 2)
        self.assertAlmostEqual(low, 2 / (1 + stats.FLOOR))
        self.assertAlmostEqual(high, 2 * (1 + stats.FLOOR))

    def test_derived_figures_are_of_one_round(self):
        samples = run.Samples()
        for i, (a, b) in enumerate([(1, 2), (None, 3), (3, 4)]):
            samples.put(i, "a", a)
            samples.put(i, "b", b)
        run.derive(samples, [("sum", lambda a, b: a + b, "a", "b"),
                             ("twice", lambda x: 2 * x, "sum")])
        self.assertEqual(samples.get("sum"), [3, None, 7])
        self.assertEqual(samples.get("twice"), [6, None, 14])


class Intervals(unittest.TestCase):
    def test_few_rounds_have_none(self):
        self.assertEqual(stats.ratio([4, 4, None], [2, 2, 2]),
                         (2, 0.0, float("inf")))
        self.assertIsNone(stats.ratio([None], [1]))

    def test_ranks_are_those_of_the_tables(self):
        # Two-sided 99 %: W. J. Conover, Practical Nonparametric Statistics.
        self.assertEqual([stats.ranks(n) for n in (7, 8, 10, 11, 12, 20)],
                         [0, 1, 1, 1, 2, 4])

    def test_students_t_of_three(self):
        low, high = stats.interval([math.exp(x) for x in (-0.1, 0, 0.1)])
        self.assertAlmostEqual(math.log(high), 9.925 * 0.1 / math.sqrt(3))
        self.assertAlmostEqual(low * high, 1)

    def test_what_is_none_on_both_sides_is_exact(self):
        self.assertEqual(stats.interval([0.0] * 3), (0, 0))
        self.assertEqual(stats.interval([0.0, 1.0, 1.0])[1], float("inf"))

    def test_the_median_is_inside_as_often_as_stated(self):
        draw = random.Random(7)
        for n, what in [(3, "normal"), (5, "normal"), (7, "normal"),
                        (8, "normal"), (8, "skewed"), (12, "skewed")]:
            inside = 0
            for _ in range(4000):
                logs = [draw.gauss(0, 0.1) for _ in range(n)]
                if what == "skewed":  # a neighbour, in a third of the rounds
                    logs = [draw.expovariate(10) - math.log(2) / 10
                            for _ in range(n)]
                low, high = stats.interval([math.exp(x) for x in logs])
                inside += low <= 1 <= high
            # 3 standard deviations of what is counted are 0.5 %.
            self.assertGreater(inside / 4000, 1 - stats.MISSES - 0.005,
                               f"{n} {what}")

    def test_two_runs_agree_about_the_same_thing(self):
        draw = random.Random(8)
        apart = 0
        for _ in range(4000):
            a, b = (stats.ratio([math.exp(draw.gauss(0, 0.2))
                                 for _ in range(8)], [1] * 8)
                    for _ in range(2))
            apart += a[1] > b[2] or b[1] > a[2]
        self.assertLess(apart, 8)


def run_with(low, high, key="peer/x", size="full"):
    best = {"key": key, "median": 1.0, "ratio": low, "low": low, "high": high}
    return {"g": {"size": size, "rows": [
        {"title": "t", "best_peer": best, "targets": [],
         "peers": {key.split("/")[0]: best}}]}}


class Compare(unittest.TestCase):
    def said(self, first, second):
        return targets.compare(first, second).splitlines()

    def test_intervals_that_overlap_agree(self):
        said = self.said(run_with(1.0, 1.2), run_with(1.1, 2))
        self.assertEqual(said[-1], "1 ratios: 1 agree within their intervals, "
                         "0 do not, 0 have no interval")
        self.assertIn("1x (1-1.2)", said[2])
        self.assertIn("1.1x (1.1-2)", said[2])

    def test_intervals_apart_do_not(self):
        said = self.said(run_with(1.0, 1.2), run_with(1.3, 2))
        self.assertIn(" 0 agree", said[-1])
        self.assertIn(" 1 do not", said[-1])
        self.assertIn("**apart**", said[2])

    def test_a_ratio_without_an_interval_is_counted(self):
        said = self.said(run_with(1.0, None), run_with(5, 6))
        self.assertIn(" 0 agree", said[-1])
        self.assertIn("1 have no interval", said[-1])

    def test_another_best_peer_is_two_ratios(self):
        first, second = run_with(1.0, 1.2), run_with(1.1, 1.3, "other/x")
        for found in (first, second):
            found["g"]["rows"][0]["peers"] = {
                **first["g"]["rows"][0]["peers"],
                **second["g"]["rows"][0]["peers"]}
        self.assertTrue(self.said(first, second)[-1].startswith(
            "2 ratios: 2 agree"))

    def test_other_sizes_are_other_ratios(self):
        said = self.said(run_with(1.0, 1.2), run_with(1, 1.2, size="quick"))
        self.assertIn("g: full and quick measure other sizes", said)
        self.assertTrue(said[-1].startswith("0 ratios"))

    def test_of_what_the_groups_print(self):
        found = filled("full")
        said = self.said(found, found)
        self.assertRegex(said[-1], r"^\d\d+ ratios: (\d+) agree .*, 0 do not")


class Time(unittest.TestCase):
    def clock(self, passed, done, last):
        clock = main.Clock(rows.Size("full"), 10)
        clock.start -= passed
        clock.done, clock.took = done, [last] * done
        return clock

    def test_no_round_begins_that_ends_late(self):
        self.assertTrue(self.clock(1e6, 0, 0).another())
        self.assertTrue(self.clock(400, 3, 150).another())
        self.assertFalse(self.clock(500, 3, 150).another())
        self.assertFalse(self.clock(100, 8, 10).another())

    def test_who_is_late_repeats_nothing(self):
        self.assertGreater(self.clock(100, 2, 50).retries(), 0)
        self.assertEqual(self.clock(400, 2, 200).retries(), 0)

    def test_single_groups_have_all_rounds(self):
        clock = main.Clock(rows.Size("full"), None)
        clock.start -= 1e9
        clock.done, clock.took = 7, [1e9] * 7
        self.assertTrue(clock.another())
        self.assertGreater(clock.retries(), 0)


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
