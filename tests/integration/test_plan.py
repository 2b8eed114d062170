"""--print-plan: what would be done, as text, and nothing done."""

import harness
import tapbox


class PrintPlan(harness.SandboxTest):
    def test_prints_the_plan_and_runs_nothing(self):
        outcome = self.shell("touch ran", options=("-x", "--print-plan"))
        self.assert_code(outcome, 0)
        self.assertIn(str(self.work), outcome.out)
        self.assertIn("/proc", outcome.out)
        self.assertFalse((self.work / "ran").exists())

    def test_is_the_same_every_time(self):
        first = self.sandbox("true", options=("-x", "--print-plan"))
        self.assertEqual(first.out, self.sandbox("true", options=("-x", "--print-plan")).out)


class PrintPlanOfTapbox(tapbox.TapboxTest):
    def test_needs_valid_rules_too(self):
        outcome = self.shell("true", options=("-x", "--print-plan", "--allow", "exa mple"))
        self.assertIn(outcome.code, (2, 125), outcome)
        self.assertEqual(outcome.out, "")
