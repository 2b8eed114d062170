"""mini_sandbox_start(): the rest of a Python program, as an interpreter with threads and loops."""

import signal

import harness


class TheRestOfTheProgram(harness.ProgramTest):
    def test_is_confined_in_a_process_of_its_own(self):
        self.assertEqual(self.program("""
            outside = os.getpid()
            print(sandbox.mini_sandbox_is_running())
            start()
            print(sandbox.mini_sandbox_is_running(), os.getpid() == outside)
            open("here", "w").close()
            open("../beside", "w").close()  # in the private /var/tmp
            print(os.listdir("/var/tmp"), os.listdir("/tmp"))
            """), ["False", "True False", f"['{self.place.name}'] []"])
        self.assertEqual([path.name for path in self.place.glob("**/*")], ["work", "here"])

    def test_ends_with_its_exit_code(self):
        self.program("start(); sys.exit(77)", code=77)
        self.program("start(); sys.exit('a reason')", code=1, stderr="a reason\n")

    def test_ends_by_its_signal(self):
        self.program("start(); os.kill(os.getpid(), 9)", code=-signal.SIGKILL)
        self.program("import signal; start(); signal.raise_signal(signal.SIGTERM)",
                     code=-signal.SIGTERM)

    def test_runs_exit_handlers_and_writes_buffers_once(self):
        self.assertEqual(self.program("""
            import atexit
            file = open("file", "w")
            file.write("before ")
            atexit.register(print, "at exit")
            print("before")
            start()
            file.write("after")
            print("inside")
            """), ["before", "inside", "at exit"])
        self.assertEqual((self.work / "file").read_text(), "before after")

    def test_has_the_calling_thread_only_and_may_start_others(self):
        self.assertEqual(self.program("""
            import threading, time
            lock, go_on = threading.Lock(), threading.Event()

            def write():
                with open("written", "ab", buffering=0) as file:
                    while True:
                        file.write(b"x")
                        go_on.set()

            threading.Thread(target=write, daemon=True, name="writer").start()
            go_on.wait()
            start()
            size = os.path.getsize("written")
            print([thread.name for thread in threading.enumerate()], threading.active_count())
            print(len(os.listdir("/proc/self/task")))
            results = []
            threads = [threading.Thread(target=results.append, args=(n,)) for n in range(8)]
            for thread in threads: thread.start()
            for thread in threads: thread.join()
            print(sorted(results), os.path.getsize("written") == size)
            """), ["['MainThread'] 1", "1", "[0, 1, 2, 3, 4, 5, 6, 7] True"])

    def test_finds_the_interpreter_whole_however_busy_its_threads_are(self):
        for _ in range(3):
            self.assertEqual(self.program("""
                import gc, threading
                sys.setswitchinterval(1e-6)

                def spin():
                    while True: [[] for _ in range(10)]

                def make_threads():
                    while True:
                        thread = threading.Thread(target=int)
                        thread.start()
                        thread.join()

                for target in (spin, spin, make_threads, make_threads):
                    threading.Thread(target=target, daemon=True).start()
                start()
                thread = threading.Thread(target=print, args=("a thread",))
                thread.start()
                thread.join()
                import xml.dom.minidom  # the import lock is free
                print(gc.isenabled(), gc.collect() >= 0)
                """), ["a thread", "True True"])

    def test_runs_the_handlers_of_a_fork_once(self):
        self.assertEqual(self.program("""
            os.register_at_fork(before=lambda: print("before"),
                                after_in_child=lambda: print("in the child"),
                                after_in_parent=lambda: print("in the parent"))
            start()
            """), ["before", "in the child"])

    def test_handles_signals_that_its_supervisor_gets(self):
        process = self.start_program("""
            import signal
            signal.signal(signal.SIGUSR1, lambda number, frame: sys.exit(number))
            start()
            print("ready", flush=True)
            while True: signal.pause()
            """)
        self.assertEqual(process.stdout.readline(), "ready\n")
        process.send_signal(signal.SIGUSR1)
        self.assertEqual(process.communicate(timeout=harness.TIMEOUT), ("", ""))
        self.assertEqual(process.returncode, signal.SIGUSR1)

    def test_may_fork_and_run_programs(self):
        self.assertEqual(self.program("""
            import multiprocessing, subprocess
            start()
            print(subprocess.run(["echo", "by subprocess"], stdout=subprocess.PIPE, check=True,
                                 text=True).stdout.strip())
            child = os.fork()
            if child == 0:
                os._exit(5 if sandbox.mini_sandbox_is_running() else 6)
            print(os.waitpid(child, 0)[1] >> 8)
            with multiprocessing.get_context("fork").Pool(2) as pool:
                print(pool.map(abs, [-1, -2, -3]))
            """), ["by subprocess", "5", "[1, 2, 3]"])

    def test_goes_on_in_a_thread_that_has_started_it(self):
        self.assertEqual(self.program("""
            import threading

            def work():
                start()
                print(threading.current_thread() is threading.main_thread(),
                      len(threading.enumerate()), flush=True)
                os._exit(9)

            thread = threading.Thread(target=work)
            thread.start()
            thread.join()
            print("not reached")
            """, code=9), ["True 1"])


class AnInterpreter(harness.ProgramTest):
    def test_that_does_not_show_inside_goes_on_with_what_it_has(self):
        (self.place / "root").mkdir()
        self.assertEqual(self.program("""
            import asyncio

            async def main():
                loop = asyncio.get_running_loop()
                Sandbox(mode="hermetic", root="../root").start()
                print(os.path.exists(sys.prefix), is_running())
                print(await loop.run_in_executor(None, str.upper, "a thread"))

            print(is_running(), flush=True)
            asyncio.run(main())
            """, preamble="import os, sys\nfrom pyminisandbox import *\n"),
            ["False", "False True", "A THREAD"])


class AnEventLoop(harness.ProgramTest):
    def test_goes_on_inside(self):
        self.assertEqual(self.program("""
            import asyncio, signal

            async def main():
                loop = asyncio.get_running_loop()
                caught = asyncio.Event()
                loop.add_signal_handler(signal.SIGUSR1, caught.set)
                print(await loop.run_in_executor(None, str.upper, "outside"))
                ticks = asyncio.get_running_loop().create_task(asyncio.sleep(0.01, "a tick"))
                start()
                print(asyncio.get_running_loop() is loop)
                print(await ticks)
                print(await loop.run_in_executor(None, str.upper, "inside"))
                os.kill(os.getpid(), signal.SIGUSR1)
                await caught.wait()
                sys.stdout.flush()
                process = await asyncio.create_subprocess_exec("echo", "by asyncio")
                print(await process.wait())

            asyncio.run(main())
            """), ["OUTSIDE", "True", "a tick", "INSIDE", "by asyncio", "0"])

    def test_goes_on_after_a_failed_start(self):
        self.assertEqual(self.program("""
            import asyncio

            async def main():
                sandbox.mini_sandbox_setup_custom(None, os.getcwd())
                sandbox.mini_sandbox_mount_overlay("/etc/passwd")
                print(sandbox.mini_sandbox_start())
                print(await asyncio.get_running_loop().run_in_executor(None, str.upper, "a"))
                await asyncio.sleep(0)

            asyncio.run(main())
            """), ["-100", "A"])


class AFailedStart(harness.ProgramTest):
    def test_leaves_the_process_as_it_was(self):
        self.assertEqual(self.program("""
            import gc, threading
            gc.disable()
            beat = threading.Event()

            def work():
                while True: beat.set()

            threading.Thread(target=work, daemon=True, name="worker").start()
            os.register_at_fork(before=lambda: print("before"),
                                after_in_child=lambda: print("in the child"),
                                after_in_parent=lambda: print("in the parent"))
            process, files = os.getpid(), os.listdir("/proc/self/fd")
            print(sandbox.mini_sandbox_setup_custom(None, os.getcwd()))
            print(sandbox.mini_sandbox_mount_overlay("/etc/passwd"))
            print(sandbox.mini_sandbox_start(), sandbox.mini_sandbox_get_last_error_code())
            print("not a directory" in sandbox.mini_sandbox_get_last_error_msg())
            print(os.getpid() == process, os.listdir("/proc/self/fd") == files,
                  [thread.name for thread in threading.enumerate()], gc.isenabled())
            beat.clear()
            print(beat.wait(10), sandbox.mini_sandbox_is_running())
            try:
                os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                print("no child")
            """), ["0", "0", "before", "in the parent", "-100 -100", "True",
                   "True True ['MainThread', 'worker'] False", "True False", "no child"])

    def test_tells_when_it_has_been_started_before(self):
        self.assertEqual(self.program("""
            start()
            print(sandbox.mini_sandbox_start(), sandbox.mini_sandbox_setup_default())
            print(sandbox.MiniSandboxErrors(sandbox.mini_sandbox_get_last_error_code()).name)
            print(sandbox.mini_sandbox_is_running())
            """), ["-202 -202", "SANDBOX_ALREADY_STARTED", "True"])
