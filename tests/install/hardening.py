#!/usr/bin/env python3
"""hardening.py BUILD PROGRAM...: reads off each installed binary whether it is what we promise.

The build flags are one thing and the linked file is another: an object compiled by hand, a lost
option or an assembler file without its .note.GNU-stack undoes them silently. So nothing here looks
at the flags; only at the files. BUILD is the build tree the programs were installed from: what has
to be told by function names is read off the unstripped file there, which has the same code.
"""
import os
import re
import subprocess
import sys
import unittest

BUILD = None
PROGRAMS = []


def readelf(*arguments):
    return subprocess.run(["readelf", "-W", *arguments], check=True, capture_output=True,
                          text=True, env={"LC_ALL": "C"}).stdout


class Segment:
    def __init__(self, kind, flags):
        self.kind, self.flags = kind, flags


def segments(program):
    row = re.compile(r"^  ([A-Z_]+)(?: +0x[0-9a-f]+){5} ([R ][W ][E ]) ", re.MULTILINE)
    return [Segment(*match) for match in row.findall(readelf("-l", program))]


def dynamic(program):
    row = re.compile(r"^ 0x[0-9a-f]+ \((\w+)\) +(.*)$", re.MULTILINE)
    return row.findall(readelf("-d", program))


def build_id(program):
    return re.search(r"Build ID: ([0-9a-f]+)", readelf("-n", program)).group(1)


def unstripped(program):
    """The file in the build tree that the program was installed from; its build id proves it."""
    for directory, _, files in os.walk(BUILD):
        if os.path.basename(program) in files:
            found = os.path.join(directory, os.path.basename(program))
            if build_id(found) == build_id(program):
                return found
    raise AssertionError(f"{BUILD} holds no build of {program}")


def stack_symbols(program):
    """Of lwIP, of c-ares and of what drives them: names that nothing else here has."""
    listed = subprocess.run(["nm", "-C", program], check=True, capture_output=True, text=True,
                            env={"LC_ALL": "C"}).stdout
    return re.findall(r"^.* (?:(?:tcp|pbuf|netif|ares)_|mini::netstack::(?:Stack|DnsServer)\b).*$",
                      listed, re.M)


def functions(program):
    """(name, disassembly) of each function that has a symbol."""
    code = subprocess.run(["objdump", "-d", "-C", "--no-show-raw-insn", program], check=True,
                          capture_output=True, text=True, env={"LC_ALL": "C"}).stdout
    pieces = re.split(r"^[0-9a-f]+ <(.*)>:$", code, flags=re.MULTILINE)
    return list(zip(pieces[1::2], pieces[2::2]))


class Hardening:
    program = None  # load_tests makes one class for each

    def test_it_is_position_independent(self):
        self.assertIn("DYN (Position-Independent Executable file)", readelf("-h", self.program))
        flags = [value for tag, value in dynamic(self.program) if tag == "FLAGS_1"]
        self.assertEqual(len(flags), 1)
        self.assertIn("PIE", flags[0].split())

    def test_it_is_static(self):
        self.assertEqual([s.kind for s in segments(self.program) if s.kind == "INTERP"], [])
        self.assertEqual([v for tag, v in dynamic(self.program) if tag == "NEEDED"], [])
        told = subprocess.run(["file", "-b", self.program], check=True, capture_output=True,
                              text=True).stdout
        self.assertRegex(told, r"static-pie linked|statically linked")

    def test_relocations_are_read_only_and_bound_at_start(self):
        self.assertEqual([s.flags for s in segments(self.program) if s.kind == "GNU_RELRO"],
                         ["R  "])
        flags = dict(dynamic(self.program))
        self.assertIn("NOW", flags.get("FLAGS_1", "").split() +
                      [w.replace("BIND_", "") for w in flags.get("FLAGS", "").split()])

    def test_the_stack_is_not_executable(self):
        self.assertEqual([s.flags for s in segments(self.program) if s.kind == "GNU_STACK"],
                         ["RW "])

    def test_no_segment_is_writable_and_executable(self):
        loads = [s.flags for s in segments(self.program) if s.kind == "LOAD"]
        self.assertGreaterEqual(len(loads), 3)  # the table was understood
        self.assertIn("R E", loads)
        self.assertEqual([f for f in loads if "W" in f and "E" in f], [])

    def test_no_text_is_relocated(self):
        self.assertNotIn("TEXTREL", [tag for tag, _ in dynamic(self.program)])

    def test_our_functions_check_a_stack_canary(self):
        # x86-64 keeps the canary at %fs:0x28. glibc's own objects check it whatever our flags are,
        # so only functions of our namespace count, and none of them would have it without the flag.
        checking = [name for name, code in functions(unstripped(self.program))
                    if name.startswith("mini::") and "%fs:0x28" in code]
        self.assertGreater(len(checking), 0)

    def test_library_calls_are_fortified(self):
        # Calls of __memcpy_chk and its like, made by code that these flags compiled.
        calls = [name for name, code in functions(unstripped(self.program))
                 if re.match(r"mini::|ares_|tcp_|pbuf_", name)
                 and re.search(r"call.*<__\w+_chk(@plt)?>", code)]
        self.assertGreater(len(calls), 0)

    def test_the_network_stack_is_in_the_program_that_has_one(self):
        found = stack_symbols(unstripped(self.program))
        if os.path.basename(self.program) == "mini-sandbox":
            self.assertEqual(found, [])
        else:
            self.assertGreater(len(found), 100)

    def test_it_is_stripped(self):
        sections = readelf("-S", self.program)
        self.assertNotIn(".symtab", sections)
        self.assertNotIn(".debug_", sections)


def load_tests(loader, _tests, _pattern):
    """The tests above once for each program, under its name."""
    suite = unittest.TestSuite()
    for program in PROGRAMS:
        case = type(os.path.basename(program), (Hardening, unittest.TestCase), {"program": program})
        suite.addTests(loader.loadTestsFromTestCase(case))
    return suite


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    BUILD, *PROGRAMS = sys.argv[1:]
    unittest.main(argv=sys.argv[:1])
