// A command in a sandbox of its own, while this program stays where it is.
//
//	CGO_CFLAGS="$(pkg-config --cflags libmini-sandbox)" \
//	CGO_LDFLAGS="$(pkg-config --libs libmini-sandbox)" go build command.go
package main

// #include <mini_sandbox.h>
// #include <stdlib.h>
import "C"

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"syscall"
	"unsafe"
)

// check makes an error of a code, with the words that the thread has for it: the caller has locked
// its goroutine to the thread that it called on.
func check(code C.int) error {
	if code == C.MINI_SANDBOX_OK {
		return nil
	}
	return errors.New(C.GoString(C.mini_sandbox_get_last_error_msg()))
}

// run runs the words in default mode, with the standard streams of this program.
func run(words ...string) (status syscall.WaitStatus, err error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	sandbox := C.mini_sandbox_new()
	defer C.mini_sandbox_free(sandbox)
	if err = check(C.mini_sandbox_object_setup_default(sandbox)); err != nil {
		return
	}
	// What C reads through a pointer has to be C's.
	argv := (**C.char)(C.calloc(C.size_t(len(words)+1), C.size_t(unsafe.Sizeof(uintptr(0)))))
	defer C.free(unsafe.Pointer(argv))
	for i, word := range words {
		text := C.CString(word)
		defer C.free(unsafe.Pointer(text))
		unsafe.Slice(argv, len(words))[i] = text
	}
	command := C.struct_mini_sandbox_command{argv: argv, stdio: [3]C.int{0, 1, 2}}
	command.size = C.size_t(unsafe.Sizeof(command))
	var process *C.mini_sandbox_process_t
	if err = check(C.mini_sandbox_spawn(sandbox, &command, &process)); err != nil {
		return
	}
	defer C.mini_sandbox_process_free(process)
	var raw C.int
	err = check(C.mini_sandbox_wait(process, -1, &raw))
	return syscall.WaitStatus(raw), err
}

func main() {
	status, err := run("sh", "-c",
		"touch /usr/local/planted 2>/dev/null || echo refused; exit 5")
	if err != nil {
		fmt.Fprintln(os.Stderr, "no sandbox:", err)
		os.Exit(1)
	}
	fmt.Println("exit code", status.ExitStatus())
}
