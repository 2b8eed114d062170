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


if __name__ == "__main__":
    unittest.main()
