"""The settings of the C libraries by their names in Python: arguments, codes, a missing library."""

import inspect
import os
import shutil

import harness

WITHOUT_LIBRARY = """
import inspect, os, sys
from pyminisandbox import pyminisandbox, pyminitapbox
"""


class Settings(harness.ProgramTest):
    once = True

    def settings(self, text, **more):
        return self.program("from pathlib import Path\n" + inspect.cleandoc(text), **more)

    def test_return_the_codes_of_the_library(self):
        (self.work / "root").mkdir()
        (self.work / "file").touch()
        self.assertEqual(self.settings("""
            here = os.getcwd()
            for code in (
                sandbox.mini_sandbox_mount_overlay("/usr"),
                sandbox.mini_sandbox_setup_hermetic(here + "/file"),
                sandbox.mini_sandbox_setup_hermetic(here + "/root"),
                sandbox.mini_sandbox_setup_hermetic(here + "/root"),
                sandbox.mini_sandbox_setup_default(),
                sandbox.mini_sandbox_mount_bind("/no/such"),
                sandbox.mini_sandbox_mount_bind("etc"),
                sandbox.mini_sandbox_enable_log(here + "/log"),
                sandbox.mini_sandbox_enable_log(here + "/log"),
                sandbox.mini_sandbox_mount_write(here),
                sandbox.mini_sandbox_mount_write("/srv"),
                sandbox.mini_sandbox_mount_bind("/srv"),
                sandbox.mini_sandbox_mount_tmpfs("/usr/local"),
                sandbox.mini_sandbox_set_working_dir("/usr"),
                sandbox.mini_sandbox_share_network(),
            ):
                print(sandbox.MiniSandboxErrors(code).name)
            """), ["OVERLAY_OPTION_NOT_SET", "INVALID_FOLDER", "NOERROR", "SANDBOX_ROOT_NOT_UNIQUE",
                   "INVALID_FUNCTIONING_MODE", "PATH_DOES_NOT_EXIST", "NOT_AN_ABSOLUTE_PATH",
                   "NOERROR", "LOG_FILE_NOT_UNIQUE", "ILLEGAL_CONFIGURATION", "NOERROR",
                   "FILE_READ_AND_WRITE", "NOERROR", "NOERROR", "NOERROR"])

    def test_take_paths_of_every_kind(self):
        self.assertEqual(self.settings("""
            print(sandbox.mini_sandbox_mount_bind(Path("/usr")),
                  sandbox.mini_sandbox_mount_bind(b"/usr/bin"),
                  sandbox.mini_sandbox_mount_empty_output_file(os.getcwd() + "/\\xfc\\udcff"),
                  sandbox.mini_sandbox_setup_custom(None, Path.cwd()))
            """), ["0 0 0 0"])
        self.assertEqual(os.listdir(os.fsencode(self.work)), [b"\xc3\xbc\xff"])

    def test_refuse_what_c_would_cut_off_or_cannot_read(self):
        self.assertEqual(self.settings("""
            for path in ("/usr\\0/bin", 7, None):
                try:
                    print(sandbox.mini_sandbox_mount_write(path))
                except (TypeError, ValueError) as error:
                    print(error)
            """), ["embedded null byte",
                   "expected str, bytes or os.PathLike object, not int", "-6"])

    def test_tell_the_last_error_of_the_calling_thread_only(self):
        self.assertEqual(self.settings("""
            import threading
            print(sandbox.mini_sandbox_mount_bind("etc"))
            thread = threading.Thread(target=lambda: print(
                sandbox.mini_sandbox_get_last_error_code(),
                repr(sandbox.mini_sandbox_get_last_error_msg())))
            thread.start()
            thread.join()
            print(sandbox.mini_sandbox_get_last_error_code(),
                  sandbox.mini_sandbox_get_last_error_msg())
            print(sandbox.mini_sandbox_mount_parents_write(0),
                  sandbox.mini_sandbox_get_last_error_code())
            print(sandbox.mini_sandbox_mount_bind("/no/such"),
                  sandbox.mini_sandbox_get_last_error_code())
            """), ["-6", "0 ''", "-6 etc: the path is not absolute", "-1003 -1003", "-5 -5"])

    def test_make_a_directory_above_writable(self):
        (self.work / "deep/deeper").mkdir(parents=True)
        self.assertEqual(self.settings("""
            os.chdir("deep/deeper")
            assert sandbox.mini_sandbox_mount_parents_write(2) == 0
            start()
            Path("../../planted").touch()
            Path("../../../planted").touch()  # in the private /var/tmp
            """), [])
        self.assertTrue((self.work / "planted").exists())
        self.assertFalse((self.place / "planted").exists())

    def test_make_no_number_of_levels_the_whole_system(self):
        self.assertEqual(self.settings("""
            print([sandbox.mini_sandbox_mount_parents_write(n) for n in (0, -2, 100)])
            print(sandbox.mini_sandbox_get_last_error_msg())
            """), ["[-1003, -1003, -1003]", "100 levels above the working directory is /"])


class ThePackageWithoutItsLibrary(harness.ProgramTest):
    once = True

    def setUp(self):
        super().setUp()
        self.package = self.place / "python"
        shutil.copytree(harness.PACKAGE_DIR / "pyminisandbox", self.package / "pyminisandbox",
                        ignore=shutil.ignore_patterns("*.so", "__pycache__"))

    def test_fails_in_every_function(self):
        lines = self.program("""
            for module in (pyminisandbox, pyminitapbox):
                for name in module.__all__:
                    function = getattr(module, name)
                    if name == "MiniSandboxErrors" or name.endswith("_msg"): continue
                    count = sum(parameter.default is inspect.Parameter.empty
                                for parameter in inspect.signature(function).parameters.values())
                    argument = 1 if name.endswith("connections") else "/usr"
                    if name.endswith("allow_connections"): argument = "/usr"
                    print(name, repr(function(*[argument] * count)))
                print(module.mini_sandbox_get_last_error_msg())
            """, preamble=WITHOUT_LIBRARY, env=self.environment(self.package))
        answers = [line.split() for line in lines if line.startswith("mini_sandbox_")]
        self.assertGreater(len(answers), 35)
        for name, answer in answers:
            self.assertEqual(answer, "False" if name.endswith("_is_running") else "-1001", name)
        messages = [line for line in lines if not line.startswith("mini_sandbox_")]
        self.assertEqual([message.partition(" cannot be loaded: ")[0] for message in messages],
                         ["libmini-sandbox", "libmini-tapbox"])

    def test_finds_that_of_the_system(self):
        libraries = self.place / "lib"
        libraries.mkdir()
        shutil.copy(harness.PACKAGE_DIR / "pyminisandbox/libmini-sandbox.so",
                    libraries / "libmini-sandbox.so.1")
        self.assertEqual(self.program(
            "start(); print(sandbox.mini_sandbox_is_running())",
            env=self.environment(self.package, LD_LIBRARY_PATH=str(libraries))), ["True"])

    def test_tells_what_an_older_library_lacks(self):
        self.assertEqual(self.program("""
            from pyminisandbox import _library, LibraryNotFoundError
            library = _library.libraries["mini-sandbox"]
            library.function("mini_sandbox_start")
            del library._functions["mini_sandbox_mount_bind"]
            print(sandbox.mini_sandbox_mount_bind("/usr"), sandbox.mini_sandbox_mount_bind.__name__)
            print(sandbox.mini_sandbox_get_last_error_msg().partition(" has no ")[2])
            """), ["-1002 mini_sandbox_mount_bind", "mini_sandbox_mount_bind()"])


class Another(harness.ProgramTest):
    once = True

    def test_interpreter_inside_this_one_cannot_start_a_sandbox(self):
        self.assertEqual(self.program("""
            try:
                import _interpreters as interpreters
                interpreter = interpreters.create("legacy")
            except ImportError:
                import _xxsubinterpreters as interpreters
                interpreter = interpreters.create(isolated=False)
            interpreters.run_string(interpreter, '''
            import sys
            from pyminisandbox import pyminisandbox
            print(pyminisandbox.mini_sandbox_start(), flush=True)
            '''.replace("\\n            ", "\\n"))
            """), ["-1002"])
