"""The arithmetic of bench/compare's tables."""

import unittest

import report


class _Contender:
    def __init__(self, name):
        self.name = name


class Report(unittest.TestCase):
    def rows(self, *rounds):
        rows = report.Rows()
        for rows.round, values in enumerate(rounds):
            for name, value in values.items():
                rows.add(_Contender(name), "rate", "1/s", value)
        return rows

    def test_ratios_are_taken_within_a_round(self):
        row = self.rows({"ours": 2, "peer": 1}, {"ours": 30, "peer": 10}, {"ours": 400, "peer": 100})["rate"]
        self.assertEqual(row.ratios("ours", "peer"), [2, 3, 4])
        self.assertEqual(report.ratio(row, "ours", "peer"), "3.00")

    def test_a_round_that_a_peer_has_missed_gives_no_ratio_and_shifts_no_other(self):
        row = self.rows({"ours": 2}, {"ours": 30, "peer": 10}, {"ours": 400})["rate"]
        self.assertEqual(row.ratios("ours", "peer"), [3])
        self.assertEqual(row.values("peer"), [10])

    def test_a_contender_without_any_value_has_empty_cells(self):
        row = self.rows({"ours": 2})["rate"]
        self.assertEqual((row.cell("peer"), report.ratio(row, "ours", "peer")), ("", ""))

    def test_a_table_has_a_column_for_each_contender_and_each_reference_that_took_part(self):
        table = report.comparison("Title", self.rows({"direct": 4, "ours": 1}, {"direct": 4, "ours": 3}).values(), "ours",
                                  ["direct", "absent"])
        self.assertEqual(table[2], "| median (lowest to highest) | direct | ours | x direct |")
        self.assertEqual(table[-1], "| rate, 1/s | 4.0 | 2.0 (1.0 to 3.0) | 0.50 |")

    def test_json_has_medians_spread_and_ratios_beside_the_samples(self):
        row = report.as_json(self.rows({"ours": 2, "peer": 1}, {"ours": 4}).values())[0]
        self.assertEqual(row["samples"], {"ours": [2, 4], "peer": [1]})
        self.assertEqual(row["summary"]["ours"],
                         {"median": 3, "lowest": 2, "highest": 4, "ratio_to": {"peer": 2}})
        self.assertEqual(row["summary"]["peer"]["ratio_to"], {"ours": 0.5})

    def test_the_interval_of_a_median_covers_it_and_narrows_with_the_number_of_values(self):
        def width(count):
            middle, low, high = report.confidence([number / count for number in range(count)])
            self.assertTrue(low < middle < high)
            return high - low
        self.assertLess(width(400), width(25) / 3)

    def test_an_interval_of_the_order_statistics_of_twenty_five_values(self):
        # Binomial(25, 1/2): the 8th and the 18th value enclose the median with 95.7 %.
        self.assertEqual(report.confidence(range(1, 26)), (13, 8, 18))


class Growth(unittest.TestCase):
    def curves(self, *rounds):
        curves = report.Curves()
        for curves.round, values in enumerate(rounds):
            for (name, size), value in values.items():
                curves.add(name, "time", "us", size, value)
        return list(curves.values())

    def test_a_slope_is_what_one_more_costs_within_a_round(self):
        curve, = self.curves({("ours", 10): 1, ("ours", 110): 201}, {("ours", 10): 5, ("ours", 110): 405})
        self.assertEqual(curve.slopes().values("ours"), [2, 4])

    def test_a_slope_goes_from_the_smallest_size_to_the_largest_in_whatever_order_they_came(self):
        curve, = self.curves({("ours", 1000): 1990, ("ours", 10): 10, ("ours", 100): 7})
        self.assertEqual(curve.slopes().values("ours"), [2])

    def test_who_has_not_reached_the_largest_size_has_no_slope(self):
        curve, = self.curves({("ours", 10): 1, ("ours", 20): 2, ("peer", 10): 1},
                             {("ours", 10): 1, ("ours", 20): 4, ("peer", 10): 1, ("peer", 20): 6})
        self.assertEqual(curve.slopes().values("ours"), [0.1, 0.3])
        self.assertEqual(curve.slopes().values("peer"), [0.5])

    def test_one_size_alone_has_no_slope(self):
        curve, = self.curves({("ours", 10): 1})
        self.assertEqual(curve.slopes().values("ours"), [])

    def test_a_table_has_a_row_for_each_size_and_one_for_the_slope_in_a_smaller_unit(self):
        table = report.growth("Title", "things", self.curves({
            ("ours", 10): 1, ("ours", 1010): 3, ("peer", 10): 2, ("peer", 1010): 12}), "ours", ["peer", "absent"])
        self.assertEqual(table[2:], [
            "| median (lowest to highest) | things | ours | peer | x peer |",
            "|---|---:|---:|---:|---:|",
            "| time, us | 10 | 1.0 | 2.0 | 0.50 |",
            "| time, us | 1,010 | 3.0 | 12.0 | 0.25 |",
            "| time, ns | each more | **2.0** | **10.0** |  |"])

    def test_a_slope_in_kilobytes_is_told_in_bytes(self):
        curves = report.Curves()
        curves.add("ours", "memory", "KB", 0, 100)
        curves.add("ours", "memory", "KB", 100, 200)
        self.assertEqual(report.growth("Title", "things", list(curves.values()), "ours", [])[-1],
                         "| memory, B | each more | **1,024.0** |")

    def test_json_has_every_size_with_its_samples_and_the_slopes(self):
        curve, = report.curves_as_json(self.curves({("ours", 10): 1, ("ours", 20): 6}))
        self.assertEqual(curve["sizes"][20]["samples"], {"ours": [6]})
        self.assertEqual(curve["each"]["summary"]["ours"]["median"], 0.5)


if __name__ == "__main__":
    unittest.main()
