"""What Sandbox says of settings and arguments that cannot be."""

from test_commands import CommandTest


class Mistakes(CommandTest):
    once = True

    def test_are_exceptions_that_say_what_is_wrong(self):
        (self.work / "file").touch()
        self.assertEqual(self.program("""
            for arguments in ({"mode": "open"}, {"mode": "custom"}, {"root": "/srv"},
                              {"overlay_directory": "/srv"}, {"overlays": "/usr"},
                              {"readable": ["/usr", "no/such"]}, {"writable": ""},
                              {"empty": "file"}, {"max_connections": 3},
                              {"share_network": True, "allow": []}):
                try:
                    Sandbox(**arguments)
                except SettingError as error:
                    print(error.code.name, isinstance(error, ValueError))
            try:
                Sandbox(mode="custom", root=".", overlays="file").run(["true"])
            except SetupError as error:
                print(error.code.name, "not a directory" in error.message)
            try:
                Sandbox().run([])
            except SettingError as error:
                print(error)
            for words, env in ((["true", None], None), (["true"], {"NAME": None})):
                try:
                    Sandbox().run(words, env=env)  # not with what comes before None alone
                except TypeError as error:
                    print(error)
            """), ["INVALID_ARG True"] * 4 + ["OVERLAY_OPTION_NOT_SET True",
            "PATH_DOES_NOT_EXIST True", "NOT_AN_ABSOLUTE_PATH True", "INVALID_FOLDER True",
            "INVALID_ARG True", "ILLEGAL_NETWORK_CONFIGURATION True", "GENERAL_OS_ERROR True",
            "the command has no name (INVALID_ARGUMENT, -12)",
            *["expected str, bytes or os.PathLike object, not NoneType"] * 2])


    def test_are_named_by_the_keyword(self):
        (self.work / "file").touch()
        self.assertEqual(self.program("""
            for arguments in ({"writable": 3}, {"readable": [None]}, {"allow": 443},
                              {"allow": "a", "max_connections": "3"}, {"allow": ["a", "b:x"]},
                              {"allow": "a", "allow_public": True}, {"empty": "/dev"},
                              {"writable": "/sys"}, {"mode": "custom", "root": ".",
                                                     "overlays": "file"},
                              {"mode": "custom", "root": ".", "overlay_directory": "/proc"},
                              {"mode": "hermetic", "root": ".", "working_directory": "/srv"}):
                try:
                    Sandbox(**arguments).run(["true"])
                except (TypeError, SandboxError) as error:
                    print(str(error).replace(os.getcwd(), "HERE"))
            """), [
            *[f"{keyword}: expected str, bytes or os.PathLike object, or a list of them, not {kind}"
              for keyword, kind in (("writable", "int"), ("readable", "NoneType"),
                                    ("allow", "int"))],
            "max_connections: expected int, not str",
            'allow:2:3: expected a port from 1 to 65535, found "x" '
            '(INVALID_ARGUMENT, -12)',
            "allow_public, or rules in its place: not both (ILLEGAL_NETWORK_CONFIGURATION, -10)",
            *[f"{message} (GENERAL_OS_ERROR, -100)" for message in (
                "empty /dev: the sandbox has a /dev of its own",
                "writable /sys: what is in /sys belongs to the whole machine",
                "overlays HERE/file: not a directory, so it cannot be overlaid; readable shows it",
                "overlay_directory /proc is not on a disk",
                "working_directory /srv: no such directory inside: show it with readable, or with "
                "writable to write to it")]])

    def test_of_text_and_bytes_are_not_passed_on(self):
        self.assertEqual(self.program("""
            for arguments in ({"input": b"x", "text": True}, {"input": "x"}):
                try:
                    Sandbox().run(["cat"], **arguments)
                except TypeError as error:
                    print(error)
            """), ["input: expected str, as text was asked for, not bytes",
                   "memoryview: a bytes-like object is required, not 'str'"])
